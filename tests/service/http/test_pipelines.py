"""Pipelined requests: answered in order, bounded, and dropped when their client leaves or the server stops."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from typing import Final

import psutil
import pytest

from model.bundle import Bundle
from service.http import http_protocol
from service.http.http_protocol import MAX_PIPELINE_BYTES, PIECE_BYTES, BoundedHttp
from service.http.turns import pipelined_turns
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import RunningServer, read_to_end, run_server
from tests.waiting import wait_until

TINY: Final = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
WAV: Final = encode(noise(1.0))
PREDICT: Final = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: %d\r\n\r\n" % len(WAV)
) + WAV
MANY: Final = TINY * (2 * MAX_PIPELINE_BYTES // len(TINY))


@pytest.fixture(scope="module")
def server(tiny_bundle: Bundle) -> Iterator[RunningServer]:
    settings = Settings(bundle=str(tiny_bundle.folder), log_level="error")
    with run_server(settings, FakeAligner()) as running:
        yield running
        wait_until(lambda: running.connections <= 1)


def test_pipeline_is_bounded(server: RunningServer) -> None:
    """While requests wait for responses, further bytes are kept as bytes, or not read."""
    before, most = psutil.Process().memory_info().rss, 0
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(20)]
        for connection in connections:
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.send(TINY * 6_000)
        wait_until(lambda: server.connections > 1)
        for _ in range(50):
            assert server.client.get("/health/live").status_code == 200
            most = max([most, *map(pipeline_of, list(server.uvicorn.server_state.connections))])
    assert 0 < most <= PIECE_BYTES // len(TINY) + 1
    assert psutil.Process().memory_info().rss < before + 200_000_000


def test_turns_leave_the_event_loop_to_others() -> None:
    """Between two turns everything else that is ready runs."""
    order: list[str] = []

    async def run() -> None:
        turns = pipelined_turns()
        for number in range(6):
            turns.add(partial(order.append, str(number)))
        while "5" not in order:
            await asyncio.sleep(0)
            order.append("other")

    asyncio.run(run())
    assert [each for each in order if each != "other"] == list("012345")
    assert max(len(turn) for turn in "".join(order).split("other")) == 2


def pipeline_of(connection: object) -> int:
    """Number of requests that wait for the response to the previous one."""
    return len(connection.pipeline) if isinstance(connection, BoundedHttp) else 0


def test_pipelined_requests_are_all_answered(server: RunningServer) -> None:
    number = 3_000
    last = TINY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with server.connect() as connection:
        connection.settimeout(60)
        connection.sendall(TINY * number + last)
        assert read_to_end(connection).count(b"HTTP/1.1 200") == number + 1


BEHIND: Final = {
    "nothing": b"",
    "one request": TINY,
    "requests beyond the bound": MANY,
    "recordings beyond the bound": PREDICT * (2 * MAX_PIPELINE_BYTES // len(PREDICT) + 1),
}


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
def test_client_that_leaves_is_noticed(settings: Settings, aligner: FakeAligner, behind: bytes) -> None:
    """The recogniser is occupied; the client of the queued recording disconnects."""
    with run_server(settings, aligner) as server, server.connect() as first, server.connect() as queued:
        aligner.gate.clear()
        first.sendall(PREDICT)
        wait_until(lambda: aligner.calls == 1)
        queued.sendall(PREDICT + behind)
        wait_until(lambda: server.state.scheduler.waiting["recognise"] == 1)
        queued.close()
        wait_until(lambda: server.state.scheduler.admission.in_progress == 1)
        assert server.connections == 1
        aligner.gate.set()
        assert first.recv(100).startswith(b"HTTP/1.1 200")
    assert aligner.calls == 1


def test_request_before_too_many_bytes_is_the_last(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its response is whole and announces the end of the connection."""
    ended: list[BoundedHttp] = []
    end = BoundedHttp._end_pipeline

    def record(connection: BoundedHttp) -> None:
        end(connection)
        ended.append(connection)

    monkeypatch.setattr(BoundedHttp, "_end_pipeline", record)
    monkeypatch.setattr(http_protocol, "PIPELINE_S", 0.1)
    with run_server(settings, aligner) as server, server.connect() as connection:
        aligner.gate.clear()
        connection.sendall(PREDICT + MANY)
        wait_until(lambda: bool(ended))
        aligner.gate.set()
        received = read_to_end(connection)
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in received
    assert received.endswith(b"}")


def test_requests_behind_another_are_dropped_at_stop(settings: Settings, aligner: FakeAligner) -> None:
    with run_server(settings, aligner) as server, server.connect() as connection:
        aligner.gate.clear()
        connection.sendall(PREDICT + TINY + PREDICT)
        wait_until(lambda: aligner.calls == 1)
        server.uvicorn.handle_exit(signal.SIGTERM, None)
        wait_until(lambda: not server.uvicorn.servers[0].is_serving())
        aligner.gate.set()
        received = read_to_end(connection)
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 200")
    assert aligner.calls == 1
