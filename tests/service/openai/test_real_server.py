"""The package openai against `can-ser serve` in a process of its own, with the embedded aligner and natural speech."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.audio import TranscriptionVerbose

from alignment.transcripts.normalisation import spoken_words
from benchmarks.server_process import run_server
from service.http.middleware.authentication import make_key
from tests.service.exports.answers import cue_times, read_srt, read_vtt
from tests.service.openai.test_openai_package import transcribe as transcribe_file
from tests.test_real_speech import JFK

pytestmark = pytest.mark.slow

KEY, DIGEST = make_key()
DURATION_S = 11.0
# One word may be wrong in one of several decodings of the same speech.
MAX_WRONG = 1


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = {"CAN_API_KEYS": DIGEST, "CAN_MAX_UPLOAD_BYTES": "2000000"}
    log = tmp_path_factory.mktemp("serve") / "log"
    with run_server(log, "--aligner", "moonshine", settings=settings) as server:
        yield f"http://127.0.0.1:{server.port}/v1"


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
def transcribe(client: openai.OpenAI, real_speech: Path) -> Callable[..., Any]:
    recording = ("jfk.flac", (real_speech / "jfk.flac").read_bytes())
    return partial(transcribe_file, client, file=recording)


def count_wrong(text: str) -> int:
    """Words that differ from those that are said."""
    said, recognised = JFK.split(), spoken_words(text)
    return abs(len(said) - len(recognised)) + sum(a != b for a, b in zip(said, recognised, strict=False))


def test_json_and_text(transcribe: Callable[..., Any]) -> None:
    answer = transcribe(language="auto")
    assert count_wrong(answer.text) <= MAX_WRONG
    assert answer.usage.seconds == DURATION_S
    assert answer.model_extra["emotion"] in answer.model_extra["probabilities"]
    assert count_wrong(transcribe(response_format="text")) <= MAX_WRONG


def test_verbose_json(transcribe: Callable[..., Any]) -> None:
    answer = transcribe(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert isinstance(answer, TranscriptionVerbose)
    assert (answer.language, answer.duration) == ("english", DURATION_S)
    words, segments = answer.words or [], answer.segments or []
    assert count_wrong(" ".join(word.word for word in words)) <= MAX_WRONG
    assert "".join(segment.text for segment in segments).strip() == answer.text
    assert [segment.id for segment in segments] == list(range(len(segments)))
    assert len(segments) > 1
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= DURATION_S
    for record in (answer, *segments, *words):
        extra: dict[str, Any] = record.model_extra or {}
        assert sum(extra["probabilities"].values()) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles(transcribe: Callable[..., Any], kind: str) -> None:
    text = transcribe(response_format=kind)
    cues = read_srt(text.encode()) if kind == "srt" else read_vtt(text)
    assert count_wrong(" ".join(cue.text for cue in cues)) <= MAX_WRONG
    times = [time for cue in cues for time in cue_times(cue)]
    assert times == sorted(times)
    assert times[-1] <= DURATION_S


def test_stream(transcribe: Callable[..., Any]) -> None:
    *deltas, done = transcribe(stream=True)
    assert done.type == "transcript.text.done"
    assert len(deltas) > 1
    assert "".join(event.delta for event in deltas) == done.text
    assert count_wrong(done.text) <= MAX_WRONG


def test_warnings_of_raw_responses(client: openai.OpenAI, real_speech: Path) -> None:
    with (real_speech / "jfk.flac").open("rb") as file:
        raw = client.audio.transcriptions.with_raw_response.create(
            file=file, model="whisper-1", response_format="srt", prompt="Kennedy"
        )
    assert "`prompt` has no effect" in raw.headers["x-can-warnings"]


def test_wrong_key(url: str) -> None:
    stranger = openai.OpenAI(base_url=url, api_key="wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError) as refused:
        stranger.models.list()
    assert refused.value.code == "invalid_api_key"


def test_unknown_model(transcribe: Callable[..., Any], client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        transcribe(model="gpt-5")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert client.models.retrieve("starter").id == "starter"


def test_too_large_a_file(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.audio.transcriptions.create(file=("a.wav", bytes(2_000_001)), model="whisper-1")
    assert (refused.value.status_code, refused.value.code) == (413, "upload-too-large")
    assert "2,000,000" in refused.value.message or "2000000" in refused.value.message
