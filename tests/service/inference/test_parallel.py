"""No cross-talk: the results of 200 concurrent requests of mixed kinds equal those of single requests."""

import io
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import pytest
import soundfile

from alignment.aligners.moonshine.aligner import MoonshineAligner
from model.bundle import Bundle
from service.settings import Settings
from tests.builders import encode, encode_with_ffmpeg, noise, speech
from tests.comparing import assert_same_result
from tests.service.serving import RunningServer, run_server

pytestmark = pytest.mark.slow

REQUESTS: Final = 200
CLIENTS: Final = 16
SLOW: Final = 2
"""Repetitions of each request that needs the aligner; those with given words are about five times as frequent."""

Kind = tuple[bytes, dict[str, str]]


def encode_words(*spans: tuple[str, float, float]) -> str:
    return json.dumps([{"word": word, "start": start, "end": end} for word, start, end in spans])


def make_kinds() -> dict[str, Kind]:
    """Valid and invalid requests of every kind, by name."""
    sentence, rate_hz = soundfile.read(io.BytesIO(speech("numbers")), dtype="float32")
    short = encode(sentence[: 2 * rate_hz], rate_hz)
    call = encode(np.stack([sentence[: 2 * rate_hz], noise(2.0)], axis=1), rate_hz)
    given = encode_words(("she", 0.3, 0.5), ("paid", 0.5, 0.9))
    kinds: dict[str, Kind] = {
        "recognised": (short, {}),
        "recognised in segments": (short, {"segments": '[{"start": 0.2, "end": 1.1}, {"start": 1.2, "end": 1.9}]'}),
        "a transcript": (short, {"transcript": "she paid forty two"}),
        "a transcript with an unknown word": (short, {"transcript": "she paid frumious 42", "explain": "full"}),
        "a speaker on each channel": (call, {"speakers": "channels"}),
        "not audio": (b"no audio" * 100, {}),
        "silent": (encode(np.zeros(16_000, np.float32)), {"words": given}),
        "words out of order": (short, {"words": encode_words(("b", 0.9, 1.0), ("a", 0.1, 0.2))}),
        "words out of bounds": (short, {"words": encode_words(("a", 5.0, 6.0))}),
        "another aligner": (short, {"aligner": "another"}),
    }
    for number in range(12):
        data = encode(noise(1.0 + number / 7, number)) if number % 3 else encode(sentence[: rate_hz + 997 * number])
        spans = [(f"word{number}", 0.1, 0.3), ("the", 0.35, 0.5), ("good", 0.55, 0.6 + number / 40)][: 1 + number % 3]
        explain = ("true", "false", "full")[number % 3]
        kinds[f"given words {number}"] = (data, {"words": encode_words(*spans), "explain": explain})
    kinds["given words in an FFmpeg container"] = (
        encode_with_ffmpeg(np.repeat(noise(1.0), 3), "ipod", "aac"),
        {"words": encode_words(("the", 0.1, 0.3))},
    )
    return kinds


def draw(kinds: dict[str, Kind]) -> list[str]:
    """Kinds of 200 requests, shuffled."""
    slow = [name for name, (data, fields) in kinds.items() if "words" not in fields and data[:2] != b"no"]
    quick = [name for name in kinds if name not in slow]
    chosen = slow * SLOW + quick * (REQUESTS // len(quick))
    chosen += quick[: REQUESTS - len(chosen)]
    random.Random(5).shuffle(chosen)
    return chosen[:REQUESTS]


@pytest.fixture(scope="module", params=[0, 1], ids=["threads", "worker"])
def server(tiny_bundle: Bundle, request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    settings = Settings(bundle=str(tiny_bundle.folder), max_audio_s=10, log_level="error", scorers=request.param)
    with run_server(settings, MoonshineAligner(1)) as running:
        yield running


def test_concurrent_results_equal_sequential_results(server: RunningServer) -> None:
    kinds = make_kinds()

    def predict(name: str) -> dict[str, Any]:
        data, fields = kinds[name]
        response = server.client.post("/predict", files={"file": data}, data=fields)
        body: dict[str, Any] = response.json()
        body.pop("request_id", None)
        return {"status": response.status_code, **body}

    sequential = {name: predict(name) for name in kinds}
    assert {response["status"] for response in sequential.values()} == {200, 415, 422}
    names = draw(kinds)
    assert (len(names), set(names)) == (REQUESTS, set(kinds))
    with ThreadPoolExecutor(CLIENTS) as pool:
        concurrent = list(pool.map(predict, names))
    for name, response in zip(names, concurrent, strict=True):
        assert_same_result(response, sequential[name], name)
