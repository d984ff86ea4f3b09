"""Who hangs up frees the place."""

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
def test_who_accepts_events(accept: str, expected: bool) -> None:
    assert accepts_events(Request({"type": "http", "headers": [(b"accept", accept.encode())]})) is expected


@pytest.mark.parametrize("path", ["/predict", "/jobs"])
def test_a_client_that_hangs_up_in_its_upload_is_no_error_of_ours(client: TestClient, path: str) -> None:
    sent: list[Message] = []
    coming: list[Message] = [
        {"type": "http.request", "body": b"--x\r\n", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return coming.pop(0)

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


def test_a_client_that_hangs_up_frees_its_place(settings: Settings, aligner: FakeAligner) -> None:
    """One recording holds the only recogniser; the client of the one behind it goes."""
    stages = Scheduler(EmotionEngine(settings, aligner=aligner), settings)
    gone = asyncio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def answer() -> Response:
        async with stages.admit() as visit:
            await stages.analyse(visit, Upload(io.BytesIO(encode(noise(1.0)))), AnalysisRequest())
        return Response("done")

    async def scene() -> None:
        aligner.gate.clear()
        async with asyncio.timeout(20):
            staying = asyncio.create_task(answer())
            await until(lambda: aligner.calls == 1)
            going = asyncio.create_task(cancel_on_disconnect(Request({"type": "http"}, receive), answer()))
            await until(lambda: stages.waiting["recognise"] == 1)
            gone.set()
            assert (await going).status_code == CLIENT_DISCONNECTED
            await until(lambda: stages.admission.in_progress == 1)
            aligner.gate.set()
            assert (await staying).status_code == 200
        assert (stages.admission.in_progress, aligner.calls) == (0, 1)

    asyncio.run(scene())
    stages.close()
