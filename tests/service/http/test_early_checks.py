"""Requests that cannot succeed are refused while every recognition slot is taken."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import run_app
from tests.waiting import wait_until

WAV = encode(noise(4.0))
INVALID = [
    ({"language": "de"}, "unsupported-language"),
    ({"language": "klingon"}, "unsupported-language"),
    ({"transcript": "... !"}, "empty-transcript"),
    ({"transcript": "word " * 5_000}, "transcript-too-long"),
    ({"transcript": "one " * 200}, "transcript-too-long"),
    ({"transcript": "one", "language": "xx"}, "unsupported-language"),
    ({"segments": json.dumps([{"start": 2, "end": 3}, {"start": 0, "end": 1}])}, "segments-out-of-bounds"),
    ({"segments": json.dumps([{"start": 1, "end": 99}])}, "segments-out-of-bounds"),
    ({"words": "[]"}, "empty-transcript"),
]


@pytest.fixture
def busy(settings: Settings, aligner: FakeAligner) -> Iterator[TestClient]:
    """Client of a service whose only recognition slot is taken, and stays so until the end of the test."""
    with run_app(settings, aligner) as client, ThreadPoolExecutor(1) as pool:
        aligner.gate.clear()
        slow = pool.submit(client.post, "/predict", files={"file": WAV})
        wait_until(lambda: aligner.calls == 1)
        yield client
        assert not slow.done()
        assert aligner.calls == 1
        aligner.gate.set()
        assert slow.result().status_code == 200


@pytest.mark.parametrize(("fields", "code"), INVALID)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_request_is_refused(busy: TestClient, fields: dict[str, str], code: str, accept: str) -> None:
    response = busy.post("/predict", files={"file": WAV}, data=fields, headers={"accept": accept})
    assert (response.status_code, response.json()["code"]) == (422, code)


@pytest.mark.parametrize("language", ["de", "klingon"])
@pytest.mark.parametrize("stream", ["true", "false"])
def test_openai_request_is_refused(busy: TestClient, language: str, stream: str) -> None:
    fields = {"model": "whisper-1", "language": language, "stream": stream}
    response = busy.post("/v1/audio/transcriptions", files={"file": ("a.wav", WAV)}, data=fields)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "unsupported-language")
