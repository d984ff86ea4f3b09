"""The limit of connections: health checks stay reachable, and the log states that it is reached."""

import logging
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Final

import httpx
import pytest

from model.bundle import Bundle
from service.http.connection_limit import RESERVED, bound_connections
from service.settings import Settings
from tests.fakes import FakeAligner
from tests.service.http.test_limits import FILE, FORM
from tests.service.serving import RunningServer, run_server
from tests.waiting import wait_until

LIMIT: Final = 8


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


def test_reserved_connections_are_bounded(server: RunningServer) -> None:
    with ExitStack() as stack:
        open_connections(stack, server, LIMIT + RESERVED + 10, FORM + b"Content-Length: 100000\r\n\r\n" + FILE)
        assert is_live(server)
        assert server.connections <= LIMIT + RESERVED


@pytest.mark.parametrize(
    ("descriptors", "configured", "expected"),
    [(20_000, 1_000, 1_000), (1_024, 1_000, 464), (128, 1_000, 16), (10, 1_000, 8), (128, 8, 8), (-1, 1_000, 1_000)],
)
def test_limit_is_below_the_number_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, configured: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert bound_connections(configured) == expected
