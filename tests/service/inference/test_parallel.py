"""No cross-talk: 200 requests of mixed kinds at once are answered as each of them is alone."""

import io
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import pytest
import soundfile

from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from model.bundle import Bundle
from service.settings import Settings
from tests.builders import encode, encode_with_ffmpeg, noise, speech
from tests.comparing import assert_same_result
from tests.service.serving import Served, serve

REQUESTS: Final = 200
CLIENTS: Final = 16
SLOW: Final = 2
"""How often a request comes that is recognised or aligned; one that brings its words comes five times as often."""

Kind = tuple[bytes, dict[str, str]]


def words(*spans: tuple[str, float, float]) -> str:
    return json.dumps([{"word": word, "start": start, "end": end} for word, start, end in spans])


def make_kinds() -> dict[str, Kind]:
    """Every way to ask, and every way to ask wrongly."""
    sentence, rate_hz = soundfile.read(io.BytesIO(speech("numbers")), dtype="float32")
    short = encode(sentence[: 2 * rate_hz], rate_hz)
    call = encode(np.stack([sentence[: 2 * rate_hz], noise(2.0)], axis=1), rate_hz)
    given = words(("she", 0.3, 0.5), ("paid", 0.5, 0.9))
    kinds: dict[str, Kind] = {
        "recognised": (short, {}),
        "recognised in segments": (short, {"segments": '[{"start": 0.2, "end": 1.1}, {"start": 1.2, "end": 1.9}]'}),
        "a transcript": (short, {"transcript": "she paid forty two"}),
        "a transcript with a word nobody knows": (short, {"transcript": "she paid frumious 42", "explain": "full"}),
        "a speaker on each channel": (call, {"speakers": "channels"}),
        "not audio": (b"no sound" * 100, {}),
        "silent": (encode(np.zeros(16_000, np.float32)), {"words": given}),
        "words out of order": (short, {"words": words(("b", 0.9, 1.0), ("a", 0.1, 0.2))}),
        "words out of bounds": (short, {"words": words(("a", 5.0, 6.0))}),
        "another aligner": (short, {"aligner": "another"}),
    }
    for number in range(12):
        data = encode(noise(1.0 + number / 7, number)) if number % 3 else encode(sentence[: rate_hz + 997 * number])
        spans = [(f"word{number}", 0.1, 0.3), ("the", 0.35, 0.5), ("good", 0.55, 0.6 + number / 40)][: 1 + number % 3]
        explain = ("true", "false", "full")[number % 3]
        kinds[f"given words {number}"] = (data, {"words": words(*spans), "explain": explain})
    kinds["given words in a container of FFmpeg's"] = (
        encode_with_ffmpeg(np.repeat(noise(1.0), 3), "ipod", "aac"),
        {"words": words(("the", 0.1, 0.3))},
    )
    return kinds


def draw(kinds: dict[str, Kind]) -> list[str]:
    """Names of 200 requests, shuffled."""
    slow = [name for name, (data, fields) in kinds.items() if "words" not in fields and data[:2] != b"no"]
    quick = [name for name in kinds if name not in slow]
    chosen = slow * SLOW + quick * (REQUESTS // len(quick))
    chosen += quick[: REQUESTS - len(chosen)]
    random.Random(5).shuffle(chosen)
    return chosen[:REQUESTS]


@pytest.fixture(scope="module", params=[0, 1], ids=["threads", "a scorer"])
def served(tiny_bundle: Bundle, request: pytest.FixtureRequest) -> Iterator[Served]:
    settings = Settings(bundle=str(tiny_bundle.folder), max_audio_s=10, log_level="error", scorers=request.param)
    with serve(settings, PocketSphinxAligner(1)) as running:
        yield running


def test_parallel_answers_equal_sequential_ones(served: Served) -> None:
    kinds = make_kinds()

    def ask(name: str) -> dict[str, Any]:
        data, fields = kinds[name]
        answer = served.client.post("/predict", files={"file": data}, data=fields)
        body: dict[str, Any] = answer.json()
        body.pop("request_id", None)
        return {"status": answer.status_code, **body}

    alone = {name: ask(name) for name in kinds}
    assert {answer["status"] for answer in alone.values()} == {200, 415, 422}
    names = draw(kinds)
    assert (len(names), set(names)) == (REQUESTS, set(kinds))
    with ThreadPoolExecutor(CLIENTS) as pool:
        together = list(pool.map(ask, names))
    for name, answer in zip(names, together, strict=True):
        assert_same_result(answer, alone[name], name)
