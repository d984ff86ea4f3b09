"""Retries of both clients, with the mock transport of httpx."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from can_ser_client import AsyncClient, Client, RefusedError, RetryPolicy, UnreachableError, UnreadableResponseError
from can_ser_client.retries import read_retry_after
from tests.builders import encode, noise

BUSY = {"type": "urn:x", "title": "busy", "status": 503, "detail": "retry later", "code": "busy", "request_id": "r1"}
WORDS = [("the", 0.5, 0.9), ("zumba", 0.9, 1.4)]


class ScriptedService:
    """Service with a given sequence of responses; records request bodies and the pauses between requests."""

    def __init__(self, *outcomes: httpx.Response | Exception) -> None:
        self.outcomes = list(outcomes)
        self.bodies: list[bytes] = []
        self.pauses: list[float] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.content)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def predict(self, *, asynchronous: bool, retries: RetryPolicy | None = None) -> Any:
        transport = httpx.MockTransport(self.handle)
        if not asynchronous:
            with Client(transport=transport, pause=self.pauses.append, retries=retries) as client:
                return client.predict(b"sound", words=WORDS)

        async def predict() -> Any:
            async with AsyncClient(transport=transport, pause=self.pause, retries=retries) as client:
                return await client.predict(b"sound", words=WORDS)

        return asyncio.run(predict())


def busy(after: str | None = "3", status: int = 503) -> httpx.Response:
    return httpx.Response(status, json=BUSY, headers={} if after is None else {"Retry-After": after})


@pytest.fixture
def success(client: TestClient) -> Callable[[], httpx.Response]:
    """Creates responses with a result of the application."""
    words = json.dumps([{"word": word, "start": start, "end": end} for word, start, end in WORDS])
    body = client.post("/predict", files={"file": encode(noise(3.0))}, data={"words": words}).content
    return lambda: httpx.Response(200, content=body)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_retry_honours_retry_after(success: Callable[[], httpx.Response], *, asynchronous: bool) -> None:
    service = ScriptedService(busy("3"), busy("7", 429), httpx.ConnectError("refused"), success())
    result = service.predict(asynchronous=asynchronous)
    assert [word.word for word in result.utterances[0].words] == ["the", "zumba"]
    assert service.pauses[:2] == [3.0, 7.0]
    assert 1.0 <= service.pauses[2] <= 2.0
    assert (len(service.pauses), len(service.bodies), len(set(service.bodies))) == (3, 4, 1)
    assert b"sound" in service.bodies[0]
    assert b"zumba" in service.bodies[0]


def test_status_500_is_retried_only_from_a_proxy(success: Callable[[], httpx.Response]) -> None:
    problem = {"content-type": "application/problem+json"}
    assert ScriptedService(httpx.Response(500, text="The actor died"), success()).predict(asynchronous=False).utterances
    with pytest.raises(RefusedError):
        ScriptedService(httpx.Response(500, json=BUSY, headers=problem), success()).predict(asynchronous=False)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_last_problem_is_raised_after_retries(*, asynchronous: bool) -> None:
    service = ScriptedService(busy(), busy())
    with pytest.raises(RefusedError, match="retry later") as refused:
        service.predict(asynchronous=asynchronous, retries=RetryPolicy(attempts=2))
    assert (refused.value.status, refused.value.code, refused.value.request_id) == (503, "busy", "r1")
    assert refused.value.retry_after_s == 3.0
    assert (service.pauses, len(service.bodies)) == ([3.0], 2)


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (httpx.Response(422, json=BUSY | {"status": 422, "code": "no-speech"}), RefusedError),
        (busy("3600"), RefusedError),
        (httpx.Response(418, text="<html>"), RefusedError),
        (httpx.ReadTimeout("too long"), UnreachableError),
    ],
)
def test_permanent_errors_are_not_retried(outcome: httpx.Response | Exception, error: type[Exception]) -> None:
    service = ScriptedService(outcome)
    with pytest.raises(error):
        service.predict(asynchronous=False)
    assert (service.pauses, len(service.bodies)) == ([], 1)


def test_pauses_grow_exponentially_without_retry_after() -> None:
    service = ScriptedService(*[busy(None) for _ in range(5)])
    with pytest.raises(RefusedError):
        service.predict(asynchronous=False)
    for pause, longest in zip(service.pauses, (0.5, 1.0, 2.0, 4.0), strict=True):
        assert longest / 2 <= pause <= longest


def test_retry_after_as_a_date() -> None:
    later = read_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert later == pytest.approx(30, abs=2)
    assert read_retry_after("Mon, 01 Jan 2001 00:00:00 GMT") == 0.0
    assert read_retry_after("soon") is None


def test_api_key_is_sent() -> None:
    headers: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        headers.append(request.headers["authorization"])
        return httpx.Response(404, json={})

    with Client(api_key="secret", transport=httpx.MockTransport(handle)) as client, pytest.raises(RefusedError):
        client.served_model()
    assert headers == ["Bearer secret"]


def test_mistyped_address_and_field_are_refused_before_sending() -> None:
    pauses: list[float] = []
    with Client("localhost:8000", pause=pauses.append) as client:
        with pytest.raises(UnreachableError, match="unsupported protocol"):
            client.served_model()
        with pytest.raises(TypeError, match="'transcipt'; choose .*transcript"):
            client.predict(b"", transcipt="a")  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="'speakers'; choose words, language, aligner, bundle, explain, callback"):
            client.jobs.submit(b"", speakers="channels")  # type: ignore[call-arg]
    assert pauses == []


@pytest.mark.parametrize(
    ("outcome", "requests"),
    [
        (busy("1"), 2),
        (httpx.ConnectError("refused"), 2),
        (httpx.ReadError("broken"), 1),
        (httpx.Response(502, text="bad gateway"), 1),
    ],
)
def test_job_is_not_submitted_twice(outcome: httpx.Response | Exception, requests: int) -> None:
    progress = {"done_s": 0.0, "total_s": None}
    job = {
        "id": "a",
        "status": "queued",
        "created_at": "2026-11-26T00:00:00Z",
        "expires_at": None,
        "progress": progress,
    }
    service = ScriptedService(outcome, httpx.Response(202, json=job))
    with Client(transport=httpx.MockTransport(service.handle), pause=service.pauses.append) as client:
        if requests == 2:
            assert client.jobs.submit(b"sound").id == "a"
        else:
            with pytest.raises((RefusedError, UnreachableError)):
                client.jobs.submit(b"sound")
    assert len(service.bodies) == requests


def test_file_is_sent_again_from_its_start(success: Callable[[], httpx.Response], tmp_path: Path) -> None:
    (tmp_path / "speech.wav").write_bytes(b"sound of speech")
    service = ScriptedService(busy("1"), success())
    with Client(transport=httpx.MockTransport(service.handle), pause=service.pauses.append) as client:
        client.predict(tmp_path / "speech.wav", language="en", segments=[(0.0, 1.5)])
    assert service.bodies[0] == service.bodies[1]
    for text in (b"sound of speech", b'filename="speech.wav"', b'{"start": 0.0, "end": 1.5}', b'name="language"'):
        assert text in service.bodies[1]


def test_response_of_another_service_is_named() -> None:
    with (
        Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"emotion": 3}))) as client,
        pytest.raises(UnreadableResponseError, match="http://127.0.0.1:8000/model .*same version"),
    ):
        client.served_model()
