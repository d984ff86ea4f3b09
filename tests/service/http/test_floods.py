"""Clients that send much of what costs little: refused handshakes, empty frames, pings."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Final

import pytest
from websockets.frames import Opcode
from websockets.sync.client import connect

from model.bundle import Bundle
from service.http.live_session import SMALL_MESSAGES, SMALL_MESSAGES_PER_S, LiveSession
from service.http.pace import Pace
from service.http.turns import Turns
from service.http.websocket_protocol import MAX_IDLE_FRAMES, BoundedWebSocket
from service.setting_groups import LiveSettings
from service.settings import Settings
from tests.fakes import FakeAligner
from tests.service.serving import RunningServer, read_to_end, run_server
from tests.waiting import wait_until

HANDSHAKE: Final = (
    b"Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
TINY: Final = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def server(tiny_bundle: Bundle) -> Iterator[RunningServer]:
    settings = Settings(
        bundle=str(tiny_bundle.folder), upload_idle_s=2.0, log_level="error", live=LiveSettings(idle_s=20)
    )
    with run_server(settings, FakeAligner()) as running:
        yield running
        wait_until(lambda: running.connections <= 1)


def frame(opcode: Opcode, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A masked frame of a client, up to 64 KiB; a mask of zeros leaves the payload as it is."""
    head = 0x80 * fin | opcode
    if len(payload) < 126:
        return struct.pack("!BB4x", head, 0x80 | len(payload)) + payload
    return struct.pack("!BBH4x", head, 0x80 | 126, len(payload)) + payload


def open_live(server: RunningServer, query: bytes = b"") -> socket.socket:
    connection = server.connect()
    connection.sendall(b"GET /stream" + query + b" HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
    assert connection.recv(4_096).startswith(b"HTTP/1.1 101")
    return connection


REFUSED: Final = {
    "a body announced": (b"GET /stream HTTP/1.1\r\n" + HANDSHAKE + b"Content-Length: 1\r\n\r\n", b"400"),
    "a body": (b"GET /stream HTTP/1.1\r\n" + HANDSHAKE + b"Content-Length: 1\r\n\r\na", b"400"),
    "chunks": (b"GET /stream HTTP/1.1\r\n" + HANDSHAKE + b"Transfer-Encoding: chunked\r\n\r\n", b"400"),
    "a long request line": (b"GET /stream?a=" + b"a" * 9_000 + b" HTTP/1.1\r\n" + HANDSHAKE + b"\r\n", b"414"),
    "a long header": (b"GET /stream HTTP/1.1\r\n" + HANDSHAKE + b"X: " + b"a" * 9_000 + b"\r\n\r\n", b"431"),
    "200 headers": (b"GET /stream HTTP/1.1\r\n" + HANDSHAKE + b"X: a\r\n" * 200 + b"\r\n", b"431"),
    "no key": (b"GET /stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", b"400"),
    "another method": (b"POST /stream HTTP/1.1\r\n" + HANDSHAKE + b"\r\n", b"405"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_upgrade_gets_its_error_and_ends(server: RunningServer, name: str) -> None:
    request, status = REFUSED[name]
    assert server.exchange(request).startswith(b"HTTP/1.1 " + status)
    wait_until(lambda: server.connections <= 1)


def test_unfinished_handshake_times_out(server: RunningServer) -> None:
    assert server.exchange(b"GET /stream HTTP/1.1\r\n" + HANDSHAKE) == b""


def test_handshakes_take_turns(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until its turn a handshake is not parsed, and another request is answered."""
    starts: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []
    monkeypatch.setattr(Turns, "add", lambda _, start: starts.append((asyncio.get_running_loop(), start)))
    with server.connect() as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
        wait_until(lambda: bool(starts))
        assert server.client.get("/health/live").status_code == 200
        [(loop, start)] = starts
        connection.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            connection.recv(100)
        connection.settimeout(20)
        loop.call_soon_threadsafe(start)
        assert connection.recv(100).startswith(b"HTTP/1.1 101")


def test_upgrade_behind_a_pending_response_ends_connection(server: RunningServer) -> None:
    """The response to the first request must not be written into a WebSocket."""
    request = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    received = server.exchange(request + b"GET /stream HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
    assert b"101 Switching" not in received
    wait_until(lambda: server.connections <= 1)


def test_other_upgrade_is_answered_as_plain_request(server: RunningServer) -> None:
    """Some HTTP clients offer HTTP/2 in this way."""
    head = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    received = server.exchange(head + TINY * 1_000)
    assert received.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in received


FLOODS: Final = {
    "pings": frame(Opcode.PING),
    "pings with payload": frame(Opcode.PING, b"a" * 125),
    "pongs": frame(Opcode.PONG),
    "empty fragments": frame(Opcode.BINARY, b"ab", fin=False) + frame(Opcode.CONT, fin=False) * 10_000,
}


@pytest.mark.parametrize("name", FLOODS)
def test_flood_of_frames_without_content_is_closed(server: RunningServer, name: str) -> None:
    """The close frame with 1008 is the last one; it is lost where the rest of the flood has arrived already."""
    with open_live(server) as connection:
        flood = FLOODS[name] * (200_000 // len(FLOODS[name]) + 1)
        started = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < started + 20:
                connection.sendall(flood)
        received = read_to_end(connection)
    assert time.monotonic() < started + 15
    assert len(received) < 200 * MAX_IDLE_FRAMES
    assert server.client.get("/health/live").status_code == 200


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the messages that are processed from now on."""
    sizes: list[int] = []
    feed = LiveSession.feed

    async def record(session: LiveSession, content: bytes) -> None:
        sizes.append(len(content))
        await feed(session, content)

    monkeypatch.setattr(LiveSession, "feed", record)
    return sizes


def test_flood_of_small_messages_is_closed(server: RunningServer, fed: list[int]) -> None:
    """Several clients; each message is processed alone, with other work of the event loop between them."""
    clients = 2
    with ExitStack() as stack:
        started = time.monotonic()
        connections = [stack.enter_context(open_live(server, b"?rate=768000")) for _ in range(clients)]
        for connection in connections:
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.send(frame(Opcode.BINARY, b"ab") * 40_000)
            connection.settimeout(20)
        for _ in range(20):
            assert server.client.get("/health/live").status_code == 200
        received = [read_to_end(connection) for connection in connections]
        spent_s = time.monotonic() - started
    assert any(b"live-limit" in each and b"send longer ones" in each for each in received)
    assert len(fed) <= clients * (SMALL_MESSAGES + SMALL_MESSAGES_PER_S * spent_s + 1)


@pytest.mark.parametrize("size", [160, 2], ids=["messages of a telephone", "messages of two bytes"])
def test_audio_without_pauses_waits(
    server: RunningServer, fed: list[int], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """While a connection waits for its pace or that of all, none of its further messages is processed."""
    wait_until(lambda: server.state.live_connections == 0, 60)
    waiting: list[asyncio.AbstractEventLoop] = []
    released = asyncio.Event()

    async def wait(_: Pace) -> None:
        waiting.append(asyncio.get_running_loop())
        await released.wait()

    monkeypatch.setattr(Pace, "wait", wait)
    with open_live(server, b"?encoding=mulaw") as connection:
        connection.sendall(frame(Opcode.BINARY, b"\xff" * size) * 600)
        wait_until(lambda: bool(waiting))
        for _ in range(20):
            assert server.client.get("/health/live").status_code == 200
        assert (len(fed), len(waiting)) == (1, 1)
        waiting[0].call_soon_threadsafe(released.set)
        wait_until(lambda: len(fed) > 1)
    wait_until(lambda: server.state.live_connections == 0, 60)


def test_messages_that_are_sent_faster_are_not_lost(server: RunningServer) -> None:
    """A recording of 10 s, in the frames of a telephone service, at once."""
    with connect(f"ws://127.0.0.1:{server.port}/stream?encoding=mulaw") as live:
        for _ in range(500):
            live.send(b"\xff" * 160)
        live.send('{"type": "end"}')
        assert json.loads(live.recv(timeout=60))["duration_s"] == pytest.approx(10.0, abs=0.04)


@pytest.mark.parametrize("rate_hz", [48_000, 96_000])
def test_small_messages_of_a_browser_are_accepted(server: RunningServer, rate_hz: int) -> None:
    """Two seconds in blocks of 128 samples, after a stall of the network."""
    with connect(f"ws://127.0.0.1:{server.port}/stream?rate={rate_hz}") as live:
        for _ in range(2 * rate_hz // 128):
            live.send(bytes(256))
        live.send('{"type": "end"}')
        assert json.loads(live.recv(timeout=60))["duration_s"] == pytest.approx(2.0, abs=0.04)


def test_reading_stops_while_the_client_does_not_read(server: RunningServer) -> None:
    """The transport reports a full write buffer; a ping is answered when the buffer has been read."""
    wait_until(lambda: server.state.live_connections == 0, 60)
    with open_live(server) as connection:
        wait_until(lambda: server.state.live_connections == 1)
        [protocol] = [
            each for each in list(server.uvicorn.server_state.connections) if isinstance(each, BoundedWebSocket)
        ]

        def call(function: Callable[[], bool | None]) -> bool | None:
            async def run() -> bool | None:
                return function()

            return asyncio.run_coroutine_threadsafe(run(), protocol.loop).result(20)

        call(protocol.pause_writing)
        connection.sendall(frame(Opcode.PING, b"late"))
        assert not call(protocol.transport.is_reading)
        call(protocol.resume_writing)
        assert call(protocol.transport.is_reading)
        assert connection.recv(100) == frame_of_server(Opcode.PONG, b"late")


def frame_of_server(opcode: Opcode, payload: bytes) -> bytes:
    return struct.pack("!BB", 0x80 | opcode, len(payload)) + payload


def test_fragmented_messages_are_accepted(server: RunningServer) -> None:
    with connect(f"ws://127.0.0.1:{server.port}/stream") as live:
        for _ in range(100):
            live.send([bytes(1_000), bytes(1_000), bytes(2)])
        live.send('{"type": "end"}')
        assert json.loads(live.recv(timeout=20))["duration_s"] == pytest.approx(100 * 1_001 / 16_000, abs=0.01)
