"""Disconnects of clients."""

import asyncio
import io
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from service.http.disconnect import CLIENT_DISCONNECTED, cancel_on_disconnect
from service.http.sse import accepts_events
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.inference.scheduler import Scheduler
from service.inference.worker_pool import Upload
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner


@pytest.mark.parametrize(
    ("accept", "expected"),
    [("text/event-stream", True), ("application/json, text/event-stream;q=0.9", True), ("*/*", False)],
)
def test_event_streams_are_negotiated(accept: str, expected: bool) -> None:
    assert accepts_events(Request({"type": "http", "headers": [(b"accept", accept.encode())]})) is expected


@pytest.mark.parametrize("path", ["/predict", "/jobs"])
def test_disconnect_during_upload_is_no_server_error(client: TestClient, path: str) -> None:
    sent: list[Message] = []
    incoming: list[Message] = [
        {"type": "http.request", "body": b"--x\r\n", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    assert client.portal is not None
    client.portal.call(client.app, scope, receive, send)
    assert sent[0]["status"] == CLIENT_DISCONNECTED


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_disconnect_releases_slot(settings: Settings, aligner: FakeAligner) -> None:
    """One recording occupies the only recogniser; the client of the queued one disconnects."""
    scheduler = Scheduler(EmotionEngine(settings, aligner=aligner), settings)
    disconnected = asyncio.Event()

    async def receive() -> Message:
        await disconnected.wait()
        return {"type": "http.disconnect"}

    async def respond() -> Response:
        async with scheduler.admit() as context:
            await scheduler.analyse(context, Upload(io.BytesIO(encode(noise(1.0)))), AnalysisRequest())
        return Response("done")

    async def run() -> None:
        aligner.gate.clear()
        async with asyncio.timeout(20):
            active = asyncio.create_task(respond())
            await until(lambda: aligner.calls == 1)
            queued = asyncio.create_task(cancel_on_disconnect(Request({"type": "http"}, receive), respond()))
            await until(lambda: scheduler.waiting["recognise"] == 1)
            disconnected.set()
            assert (await queued).status_code == CLIENT_DISCONNECTED
            await until(lambda: scheduler.admission.in_progress == 1)
            aligner.gate.set()
            assert (await active).status_code == 200
        assert (scheduler.admission.in_progress, aligner.calls) == (0, 1)

    asyncio.run(run())
    scheduler.close()
