"""The limit of connections: health checks stay reachable, and the log states that it is reached."""

import logging
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from typing import Any, Final

import httpx
import pytest
from websockets.frames import Opcode

from model.bundle import Bundle
from service.http.connection_limit import RESERVED, ConnectionLimit, bound_connections
from service.http.http_protocol import BoundedHttp
from service.settings import Settings
from tests.fakes import FakeAligner
from tests.service.http.test_floods import HANDSHAKE, TINY, frame, open_live
from tests.service.http.test_limits import FILE, FORM
from tests.service.serving import RunningServer, run_server
from tests.waiting import wait_until

LIMIT: Final = 8
DIGEST: Final = sha256(b"key").hexdigest()
STREAM: Final = b"GET /stream HTTP/1.1\r\n" + HANDSHAKE + b"\r\n"
CALL: Final = b"GET /stream/twilio HTTP/1.1\r\n" + HANDSHAKE + b"\r\n"
UPLOAD: Final = FORM + b"Content-Length: 100000\r\n\r\n" + FILE


@pytest.fixture
def server(tiny_bundle: Bundle) -> Iterator[RunningServer]:
    settings = Settings(bundle=str(tiny_bundle.folder), max_connections=LIMIT, log_level="warning")
    with run_server(settings, FakeAligner()) as running:
        yield running


def is_live(server: RunningServer) -> bool:
    """Whether a health check on a new connection succeeds."""
    return httpx.get(f"{server.url}/health/live", timeout=20).status_code == 200


def open_connections(stack: ExitStack, server: RunningServer, number: int, sent: bytes = b"") -> list[socket.socket]:
    connections = [stack.enter_context(server.connect()) for _ in range(number)]
    for connection in connections:
        connection.sendall(sent)
    return connections


@pytest.mark.parametrize("sent", [b"", b"GET /mod"])
def test_waiting_connections_make_way(server: RunningServer, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Connections without a complete request; the one that waits longest is closed."""
    with ExitStack() as stack, caplog.at_level(logging.WARNING):
        first, *_ = open_connections(stack, server, 5 * LIMIT, sent)
        assert is_live(server)
        # The part of a request that was not read resets the connection.
        with suppress(ConnectionResetError):
            assert first.recv(1) == b""
        assert server.connections <= LIMIT
    assert "limit of connections reached" in caplog.text


def test_health_beside_requests_that_use_all_connections(server: RunningServer) -> None:
    """Uploads in progress are not closed; further connections serve health checks only."""
    with ExitStack() as stack:
        uploads = open_connections(stack, server, LIMIT, FORM + b"Content-Length: 100000\r\n\r\n" + FILE)
        wait_until(lambda: server.connections >= LIMIT)
        assert is_live(server)
        assert httpx.get(f"{server.url}/model", timeout=20).status_code == 503
        for connection in uploads:
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)
    wait_until(lambda: httpx.get(f"{server.url}/model", timeout=20).status_code == 200)


@pytest.mark.parametrize(
    ("sent", "keys"),
    [(STREAM, []), (STREAM + frame(Opcode.TEXT, b"{}"), []), (CALL, [DIGEST]), (STREAM, [DIGEST]), (TINY * 5_000, [])],
    ids=["no audio", "closing", "no key yet", "wrong key", "pipelined requests"],
)
def test_clients_that_wait_make_way(tiny_bundle: Bundle, sent: bytes, keys: list[str]) -> None:
    """Several times as many connections as there may be, whose clients read nothing."""
    settings = Settings(bundle=str(tiny_bundle.folder), max_connections=LIMIT, log_level="error", api_keys=keys)
    with run_server(settings, FakeAligner()) as server, ExitStack() as stack:
        for connection in [stack.enter_context(server.connect()) for _ in range(LIMIT + RESERVED + 20)]:
            connection.setblocking(False)
            with suppress(OSError):
                connection.send(sent)
        for _ in range(10):
            assert is_live(server)
        assert server.connections <= LIMIT + RESERVED


def test_live_speech_does_not_make_way(server: RunningServer) -> None:
    """A connection that has sent audio stays; one without audio is closed in favour of others."""
    with open_live(server) as speaking, open_live(server) as silent, ExitStack() as stack:
        speaking.sendall(frame(Opcode.BINARY, bytes(3_200)))
        wait_until(lambda: server.state.live_connections == 2)
        open_connections(stack, server, 2 * LIMIT)
        wait_until(lambda: server.state.live_connections == 1)
        with suppress(ConnectionResetError):
            assert silent.recv(1) == b""
        speaking.sendall(frame(Opcode.TEXT, b'{"type": "end"}'))
        received = b""
        while b'"done"' not in received:
            received += speaking.recv(4_096) or pytest.fail("the connection has ended")


def number_in_use(server: RunningServer) -> int:
    """Connections whose requests are being processed."""
    return sum(
        isinstance(each, BoundedHttp) and bool(each.cycle) and not each.cycle.response_complete
        for each in list(server.uvicorn.server_state.connections)
    )


@pytest.fixture
def full(server: RunningServer) -> Iterator[RunningServer]:
    """A server whose connections are all in use."""
    with ExitStack() as stack:
        open_connections(stack, server, LIMIT, UPLOAD)
        wait_until(lambda: number_in_use(server) == LIMIT)
        yield server


def test_reserved_connection_gets_one_response(full: RunningServer) -> None:
    received = full.exchange(TINY)
    assert received.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in received.lower()
    assert full.exchange(TINY + TINY).count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("handshake", [STREAM, CALL])
def test_reserved_connection_is_no_websocket(full: RunningServer, handshake: bytes) -> None:
    assert full.exchange(handshake).startswith(b"HTTP/1.1 503")


def test_oldest_reserved_connection_makes_way(full: RunningServer) -> None:
    with ExitStack() as stack:
        first, *_, last = open_connections(stack, full, RESERVED + 10)
        with suppress(ConnectionResetError):
            assert first.recv(1) == b""
        last.sendall(TINY)
        assert last.recv(4_096).startswith(b"HTTP/1.1 200")
        for _ in range(10):
            assert is_live(full)
        assert full.connections <= LIMIT + RESERVED + 1


class Opened:
    """A connection of a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.aborted, self.transport = descriptor, False, self

    def get_extra_info(self, _: str) -> "Opened":
        return self

    def fileno(self) -> int:
        return self.descriptor

    def abort(self) -> None:
        self.aborted = True


def test_descriptors_of_other_use_count() -> None:
    """Near the end of the descriptors, connections are reserved, and at the end only the newest one stays."""
    limit = ConnectionLimit(1_000, 128)
    first, second, third, fourth = (Opened(number) for number in (40, 90, 91, 121))
    admitted: list[Any] = [first, second, third, fourth]
    assert [limit.admit(each) for each in admitted[:3]] == [True, False, False]
    assert limit.admit(admitted[3]) is False
    assert [each.aborted for each in admitted] == [False, True, False, False]


@pytest.mark.parametrize(
    ("descriptors", "configured", "expected"),
    [(20_000, 1_000, 1_000), (1_024, 1_000, 464), (128, 1_000, 16), (10, 1_000, 8), (128, 8, 8), (-1, 1_000, 1_000)],
)
def test_limit_is_below_the_number_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, configured: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert bound_connections(configured) == expected


def test_worker_processes_have_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 1_024))
    assert bound_connections(1_000, scorers=4) < bound_connections(1_000)
