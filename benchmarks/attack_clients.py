"""Clients that send much of what costs them little, or read nothing; `benchmarks.attacks` measures their effect."""

import io
import json
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

import httpx
import numpy as np
import soundfile
from numpy.typing import NDArray

from alignment.timing import Seconds

_HANDSHAKE: Final = (
    b"Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
_PING: Final = struct.pack("!BB4x", 0x89, 0x80)
_EMPTY_FRAGMENT: Final = struct.pack("!BB4x", 0x00, 0x80)
_FIRST_FRAGMENT: Final = struct.pack("!BB4x", 0x02, 0x82) + b"ab"
_TINY_MESSAGE: Final = struct.pack("!BB4x", 0x82, 0x82) + b"ab"
_TELEPHONE_MESSAGE: Final = struct.pack("!BBH4x", 0x82, 0x80 | 126, 160) + b"\xff" * 160
_BLOCK_BYTES: Final = 262_144
_PAUSE_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class Attack:
    """Connections that are opened again when they end.

    Attributes:
        name: Name in the table.
        connections: Number of connections at once.
        openings: Bytes that each connection sends first, in turn.
        block: Bytes that are sent again and again; empty for none.
        reads: Whether the clients read what the server sends.
    """

    name: str
    connections: int
    openings: Sequence[bytes]
    block: bytes = b""
    reads: bool = False


def _live(request: bytes = b"/stream", header: bytes = b"") -> bytes:
    return b"GET " + request + b" HTTP/1.1\r\n" + _HANDSHAKE + header + b"\r\n"


def _block(unit: bytes) -> bytes:
    return unit * (_BLOCK_BYTES // len(unit))


REFUSED_UPGRADES: Final = Attack(
    "1 refused upgrades",
    128,
    [_live(header=b"Content-Length: 1\r\n"), _live(b"/stream?" + b"a" * 9_000), _live(header=b"X: a\r\n" * 200)],
)
EMPTY_FRAMES: Final = Attack("2 empty fragments", 4, [_live() + _FIRST_FRAGMENT], _block(_EMPTY_FRAGMENT))
PINGS: Final = Attack("2 pings, unread pongs", 4, [_live()], _block(_PING))
TINY_MESSAGES: Final = Attack("2 messages of 2 bytes", 16, [_live(b"/stream?rate=768000")], _block(_TINY_MESSAGE))
FAST_AUDIO: Final = Attack(
    "2 telephone audio without pauses", 16, [_live(b"/stream?encoding=mulaw")], _block(_TELEPHONE_MESSAGE)
)
PIPELINES: Final = Attack(
    "3 pipelined requests", 60, [b""], _block(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"), reads=True
)


def long_word() -> Attack:
    """Jobs with four hours of a constant, which is small as FLAC, and one word of that duration."""
    hours_s = 4 * 3_600 - 1
    words = json.dumps([{"word": "a", "start": 0.5, "end": hours_s - 0.5}])
    return _uploads("5 a word of four hours", 2, "/jobs", _constant_flac(hours_s, 8_000, 1), words=words)


def dense_words() -> Attack:
    """Jobs with four hours of two alternating constants and a legal word in each second, all of which are analysed."""
    hours_s, second = 4 * 3_600 - 1, np.repeat(np.array([[0.1], [-0.1]], np.float32), 4_000, axis=0)
    words = json.dumps([{"word": "a", "start": at + 0.25, "end": at + 0.75} for at in range(hours_s - 1)])
    return _uploads("5 four hours of words", 2, "/jobs", _repeat(second, hours_s, 8_000), words=words)


def many_channels() -> Attack:
    """Recordings of eight channels at 96 kHz, small as FLAC, each channel to be analysed."""
    flac = _constant_flac(290, 96_000, 8)
    return _uploads("6 eight channels at 96 kHz", 30, "/predict", flac, speakers="channels")


def _uploads(name: str, connections: int, path: str, recording: bytes, **fields: str) -> Attack:
    request = httpx.Request("POST", f"http://localhost{path}", files={"file": recording}, data=fields)
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
    return Attack(name, connections, [b""], "\r\n".join([*lines, "", ""]).encode() + request.read(), reads=True)


def _constant_flac(duration_s: int, rate_hz: int, channels: int) -> bytes:
    return _repeat(np.full((rate_hz, channels), 0.1, np.float32), duration_s, rate_hz)


def _repeat(samples: NDArray[np.float32], times: int, rate_hz: int) -> bytes:
    """FLAC of samples (samples, channels) that are repeated."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate_hz, samples.shape[1], "PCM_16", format="FLAC") as opened:
        for _ in range(times):
            opened.write(samples)
    return file.getvalue()


def unread_results(path: str) -> Attack:
    """Requests for a result of a job, which is not read."""
    return Attack("4 unread results", 60, [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()])


def unread_exports(path: str) -> Attack:
    """Requests for a result of a job as a table, which is not read."""
    request = f"GET {path}?format=words-csv HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    return Attack("4 unread exports", 60, [request])


@dataclass(slots=True)
class _Client:
    attack: Attack
    port: int
    opening: bytes
    _socket: socket.socket | None = None
    _left: memoryview = field(default_factory=lambda: memoryview(b""))

    def step(self) -> None:
        """Send and read what is possible; open the connection again where it has ended."""
        try:
            self._exchange(self._socket or self._connect())
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def _connect(self) -> socket.socket:
        self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=1.0)
        self._socket.settimeout(0)
        self._left = memoryview(self.opening)
        return self._socket

    def _exchange(self, connection: socket.socket) -> None:
        with suppress(BlockingIOError):
            # Without reading, an ended connection is recognised by its error only.
            if not connection.recv(_BLOCK_BYTES, 0 if self.attack.reads else socket.MSG_PEEK):
                raise ConnectionResetError
        self._left = self._left or memoryview(self.attack.block)
        if self._left:
            self._left = self._left[connection.send(self._left) :]

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def run_attack(attack: Attack, port: int, seconds: Seconds) -> None:
    """Run an attack on a port of this machine for so long."""
    openings = cycle(attack.openings)
    clients = [_Client(attack, port, next(openings)) for _ in range(attack.connections)]
    ends, pause = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < ends:
        for client in clients:
            client.step()
        pause.wait(_PAUSE_S)
    for client in clients:
        client.close()
