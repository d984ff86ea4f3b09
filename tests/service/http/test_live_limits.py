"""Slow, malformed and oversized messages of live connections: each connection ends, and requests are still served."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.service.http.impatience import IDLE_S, is_readable, is_responsive
from tests.service.serving import RunningServer
from tests.waiting import wait_until


@pytest.fixture
def server(impatient_server: RunningServer) -> RunningServer:
    return impatient_server


def live(server: RunningServer, query: str = "", origin: str | None = None) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}/stream{query}", origin=Origin(origin) if origin else None)


def end_of(connection: ClientConnection) -> tuple[str, int]:
    """Codes of the problems that were received, joined, and close code of the connection."""
    messages = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(connection.recv(timeout=20)))
    problems = [message["problem"]["code"] for message in messages if message["type"] == "error"]
    return "".join(problems), connection.close_code or 0


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([b"", b"abc", '{"type": "end"}'], ("", 1000)),
        (["[" * 15_000], ("bad-frame", 1008)),
        (["\x00"], ("bad-frame", 1008)),
        (['{"type": "end", "type": "end"}'], ("", 1000)),
        ([bytes(30_000)], ("", 1009)),
        ([bytes(2)] * 900 + ['{"type": "end"}'], ("", 1000)),
        ([bytes(2)] * 40_000, ("live-limit", 1008)),
        ([], ("live-limit", 1008)),
        ([bytes(16_000)] * 10, ("live-limit", 1008)),
    ],
    ids=["odd", "deep", "no-json", "end", "giant", "hundreds", "thousands", "silent", "endless"],
)
def test_live_messages(server: RunningServer, messages: list[bytes | str], expected: tuple[str, int]) -> None:
    with live(server) as connection:
        with suppress(ConnectionClosed):
            for message in messages:
                connection.send(message)
        assert end_of(connection) == expected
    assert is_responsive(server)


@pytest.mark.slow
def test_slow_live_audio_times_out(server: RunningServer) -> None:
    started = time.monotonic()
    with live(server) as connection:
        with pytest.raises(ConnectionClosed):  # noqa: PT012
            while time.monotonic() < started + 20:
                connection.send(bytes(2))
                is_readable(connection.socket, IDLE_S / 4)
        assert end_of(connection) == ("live-limit", 1008)
    assert time.monotonic() < started + 10


@pytest.mark.parametrize("query", ["?rate=no", "?rate=1e4", "?explain=maybe", "?rate=" + "9" * 5_000])
def test_invalid_live_parameters_are_refused(server: RunningServer, query: str) -> None:
    try:
        with live(server, query) as connection:
            assert end_of(connection)[1] == 1008
    except InvalidStatus as refused:
        assert refused.response.status_code == 403  # noqa: PT017
    assert is_responsive(server)


def test_invalid_origin_is_refused(server: RunningServer) -> None:
    with pytest.raises(InvalidStatus, match="403"), live(server, origin="http://["):
        pass
    assert is_responsive(server)


def test_live_disconnect_releases_slot(server: RunningServer) -> None:
    def disconnect(_: int) -> None:
        with suppress(ConnectionClosed), live(server) as connection:
            connection.send(bytes(6_400))
            connection.socket.shutdown(socket.SHUT_RDWR)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(disconnect, range(12)))
    wait_until(lambda: server.state.live_connections == 0)
