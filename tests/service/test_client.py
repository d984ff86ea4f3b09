"""The client against answers that httpx's own fake transport gives, and against the application."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from service import AsyncClient, Client
from service.client import RetryPolicy, read_retry_after
from service.errors import ConflictingFieldsError, RefusedError, UnreachableError
from tests.builders import encode, noise

BUSY = {"type": "urn:x", "title": "busy", "status": 503, "detail": "come back", "code": "busy", "request_id": "r1"}
WORDS = [("the", 0.5, 0.9), ("zumba", 0.9, 1.4)]


class Script:
    """A service that gives one answer after the other, and counts what it was asked and how long it was left alone."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.waits: list[float] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.content)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    def predict(self, *, asynchronous: bool, retries: RetryPolicy | None = None) -> Any:
        transport = httpx.MockTransport(self.handle)
        if not asynchronous:
            with Client(transport=transport, pause=self.waits.append, retries=retries) as client:
                return client.predict(b"sound", words=WORDS)

        async def ask() -> Any:
            async with AsyncClient(transport=transport, pause=self.wait, retries=retries) as client:
                return await client.predict(b"sound", words=WORDS)

        return asyncio.run(ask())


def busy(after: str | None = "3", status: int = 503) -> httpx.Response:
    return httpx.Response(status, json=BUSY, headers={} if after is None else {"Retry-After": after})


@pytest.fixture
def good(client: TestClient) -> Callable[[], httpx.Response]:
    """An answer of the application, word for word."""
    given = json.dumps([{"word": word, "start": start, "end": end} for word, start, end in WORDS])
    body = client.post("/predict", files={"file": encode(noise(3.0))}, data={"words": given}).content
    return lambda: httpx.Response(200, content=body)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_it_waits_as_long_as_it_is_told(good: Callable[[], httpx.Response], *, asynchronous: bool) -> None:
    script = Script(busy("3"), busy("7", 429), httpx.ConnectError("nobody"), good())
    answer = script.predict(asynchronous=asynchronous)
    assert [word.word for word in answer.utterances[0].words] == ["the", "zumba"]
    assert script.waits[:2] == [3.0, 7.0]
    assert 1.0 <= script.waits[2] <= 2.0
    assert len(set(script.bodies)) == 1
    assert b"sound" in script.bodies[0]
    assert b"zumba" in script.bodies[0]


def test_a_500_is_asked_again_when_it_is_a_proxy_s(good: Callable[[], httpx.Response]) -> None:
    problem = {"content-type": "application/problem+json"}
    assert Script(httpx.Response(500, text="The actor died"), good()).predict(asynchronous=False).utterances
    with pytest.raises(RefusedError):
        Script(httpx.Response(500, json=BUSY, headers=problem), good()).predict(asynchronous=False)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_it_gives_up_with_what_the_service_said(*, asynchronous: bool) -> None:
    script = Script(busy(), busy())
    with pytest.raises(RefusedError, match="come back") as refused:
        script.predict(asynchronous=asynchronous, retries=RetryPolicy(attempts=2))
    assert (refused.value.status, refused.value.code, refused.value.request_id) == (503, "busy", "r1")
    assert refused.value.retry_after_s == 3.0
    assert script.waits == [3.0]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(422, json=BUSY | {"status": 422, "code": "no-speech"}), RefusedError),
        (busy("3600"), RefusedError),
        (httpx.Response(418, text="<html>"), RefusedError),
        (httpx.ReadTimeout("too long"), UnreachableError),
    ],
)
def test_what_asking_again_would_not_change_is_asked_once(
    answer: httpx.Response | Exception, error: type[Exception]
) -> None:
    script = Script(answer)
    with pytest.raises(error):
        script.predict(asynchronous=False)
    assert script.waits == []


def test_without_a_time_it_waits_longer_each_time() -> None:
    script = Script(*[busy(None) for _ in range(5)])
    with pytest.raises(RefusedError):
        script.predict(asynchronous=False)
    for wait, guess in zip(script.waits, (0.5, 1.0, 2.0, 4.0), strict=True):
        assert guess / 2 <= wait <= guess


def test_retry_after_as_a_date() -> None:
    later = read_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert later == pytest.approx(30, abs=2)
    assert read_retry_after("Mon, 01 Jan 2001 00:00:00 GMT") == 0.0
    assert read_retry_after("soon") is None


def test_a_key_goes_along() -> None:
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(404, json={})

    with Client(api_key="secret", transport=httpx.MockTransport(handle)) as client, pytest.raises(RefusedError):
        client.served_model()
    assert seen == ["Bearer secret"]


def test_conflicting_fields_are_refused_here() -> None:
    with Client() as client:
        with pytest.raises(ConflictingFieldsError):
            client.predict(b"", transcript="a", words=WORDS)
        with pytest.raises(ConflictingFieldsError):
            client.predict(b"", transcript="a", speakers="channels")
