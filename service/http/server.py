"""uvicorn's connections, with bounds that it leaves to a proxy: no client holds one by doing nothing.

uvicorn waits for ever for the rest of a request's head, keeps as much of it as comes, and waits for ever until an
answer is read. Bodies have limits of their own (`service.http.middleware.upload_limits`).

Source: RFC 6585, Section 5 (431); the attacks are known as slowloris and slow read.
"""

import asyncio
from typing import Any, Final

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from alignment.timing import Seconds

MAX_HEAD_BYTES: Final = 65_536
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
log = structlog.stdlib.get_logger("service.http.server")


class _Timer:
    """Cuts a connection unless what it waits for comes in time."""

    def __init__(self, waits_for: str) -> None:
        self._waits_for = waits_for
        self._handle: asyncio.TimerHandle | None = None

    def start(self, transport: asyncio.Transport, limit_s: Seconds) -> None:
        """Begins anew."""
        self.stop()
        self._handle = asyncio.get_running_loop().call_later(limit_s, self._cut, transport)

    def stop(self) -> None:
        """It came."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _cut(self, transport: asyncio.Transport) -> None:
        log.info("connection cut", waited_for=self._waits_for)
        # Closing would wait until what was written is read.
        transport.abort()


class _ReadInTime(asyncio.Protocol):
    """Stands before a protocol of uvicorn's: whoever does not read is cut.

    Attributes:
        idle_s: longest wait for a reader.
        answer: what it would read, for the log.
        transport: the protocol's own.
    """

    idle_s: Seconds = 20.0
    answer = "an answer"
    transport: asyncio.Transport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reader = _Timer(f"the reader of {self.answer}")

    def pause_writing(self) -> None:
        """More is written than is read."""
        super().pause_writing()
        self._reader.start(self.transport, self.idle_s)

    def resume_writing(self) -> None:
        """It was read."""
        self._reader.stop()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for."""
        self._reader.stop()
        super().connection_lost(exc)


class BoundedHttp(_ReadInTime, HttpToolsProtocol):
    """A connection on which each request's head comes in time and in bounds, and each answer is read.

    Attributes:
        idle_s: longest wait for a whole head, for an answer's reader, and for a next request.
        upload_s: longest wait for the rest of a body that was refused before its end.
    """

    upload_s: Seconds = 600.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = _Timer("a request's head")
        self._steps = self._loose_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first head."""
        super().connection_made(transport)
        self._head.start(transport, self.idle_s)

    def data_received(self, data: bytes) -> None:
        """Counts bytes that belong neither to a body nor to a head that is complete."""
        steps = self._steps
        super().data_received(data)
        self._loose_bytes = self._loose_bytes + len(data) if steps == self._steps else 0
        if self._loose_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The head came."""
        self._steps += 1
        self._head.stop()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body came."""
        self._steps += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of the body came."""
        self._steps += 1
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Waits for the next head, or for the rest of a body that nobody reads."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._head.start(self.transport, self.upload_s if self.cycle.more_body else self.idle_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for."""
        self._head.stop()
        super().connection_lost(exc)


class BoundedWebSocket(_ReadInTime, WebSocketsSansIOProtocol):
    """A WebSocket whose messages are read; its route bounds what comes in."""

    answer = "a live connection"


def bound_protocols(idle_s: Seconds, upload_s: Seconds) -> tuple[type[BoundedHttp], type[BoundedWebSocket]]:
    """Both, with limits; uvicorn takes classes."""
    http = type("BoundedHttp", (BoundedHttp,), {"idle_s": idle_s, "upload_s": upload_s})
    return http, type("BoundedWebSocket", (BoundedWebSocket,), {"idle_s": idle_s})
