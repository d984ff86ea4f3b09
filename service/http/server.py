"""uvicorn with timeouts and size limits that it leaves to a proxy, against clients that do nothing.

uvicorn waits without a limit for the rest of a request head, buffers all of it, and waits without a limit until a
response is read. Bodies have limits of their own (`service.http.middleware.upload_limits`).

Source: RFC 6585, Section 5 (431); the attacks are known as slowloris and slow read.
"""

import asyncio
import math
from typing import Any, Final

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from alignment.timing import Seconds
from service.settings import Settings

MAX_HEAD_BYTES: Final = 65_536
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
log = structlog.stdlib.get_logger("service.http.server")


class _Timer:
    """Aborts a connection after a timeout."""

    def __init__(self, waiting_for: str) -> None:
        self._waiting_for = waiting_for
        self._handle: asyncio.TimerHandle | None = None

    def start(self, transport: asyncio.Transport, limit_s: Seconds) -> None:
        """Start or restart."""
        self.stop()
        self._handle = asyncio.get_running_loop().call_later(limit_s, self._abort, transport)

    def stop(self) -> None:
        """Stop without aborting."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _abort(self, transport: asyncio.Transport) -> None:
        log.info("connection aborted", waiting_for=self._waiting_for)
        # Closing would wait until the written data has been read.
        transport.abort()


class _ReadTimeout(asyncio.Protocol):
    """Mixin for protocols of uvicorn: aborts connections whose client does not read.

    Attributes:
        idle_s: Longest wait for the client to read.
        content: What the client should read, for the log.
        transport: Transport of the protocol.
    """

    idle_s: Seconds = 20.0
    content = "a response"
    transport: asyncio.Transport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reader = _Timer(f"the client to read {self.content}")

    def pause_writing(self) -> None:
        """Start the timeout when the write buffer is full."""
        super().pause_writing()
        self._reader.start(self.transport, self.idle_s)

    def resume_writing(self) -> None:
        """Stop the timeout when the buffer has been read."""
        self._reader.stop()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout."""
        self._reader.stop()
        super().connection_lost(exc)


class BoundedHttp(_ReadTimeout, HttpToolsProtocol):
    """An HTTP connection with a timeout and a size limit for each request head, and a timeout for reading responses.

    Attributes:
        idle_s: Longest wait for a whole head, for a response to be read, and for a next request.
        upload_s: Longest wait for the rest of a body that was refused before its end.
    """

    upload_s: Seconds = 600.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = _Timer("a request head")
        self._steps = self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout of the first head."""
        super().connection_made(transport)
        self._head.start(transport, self.idle_s)

    def data_received(self, data: bytes) -> None:
        """Count bytes that belong neither to a body nor to a complete head."""
        steps = self._steps
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if steps == self._steps else 0
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Stop the timeout of the head."""
        self._steps += 1
        self._head.stop()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Register a part of the body."""
        self._steps += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Register the end of the body."""
        self._steps += 1
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the timeout of the next head, or of the rest of an unread body."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._head.start(self.transport, self.upload_s if self.cycle.more_body else self.idle_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout."""
        self._head.stop()
        super().connection_lost(exc)


class BoundedWebSocket(_ReadTimeout, WebSocketsSansIOProtocol):
    """A WebSocket with a timeout for reading messages; its route bounds the incoming ones."""

    content = "a live connection"


def bound_protocols(idle_s: Seconds, upload_s: Seconds) -> tuple[type[BoundedHttp], type[BoundedWebSocket]]:
    """Both protocols with limits, as classes, which uvicorn requires."""
    http = type("BoundedHttp", (BoundedHttp,), {"idle_s": idle_s, "upload_s": upload_s})
    return http, type("BoundedWebSocket", (BoundedWebSocket,), {"idle_s": idle_s})


def configure_server(application: FastAPI, settings: Settings) -> uvicorn.Config:
    """Configuration of uvicorn with the limits of the settings."""
    http, websocket = bound_protocols(settings.upload_idle_s, settings.upload_s)
    return uvicorn.Config(
        application,
        settings.host,
        settings.port,
        http=http,
        ws=websocket,
        log_config=None,
        access_log=False,
        ws_max_size=settings.live.max_frame_bytes,
        # Audio hardly shrinks, and a compressed frame may expand.
        ws_per_message_deflate=False,
        # While results lag, no message of a live connection is read, pongs included.
        ws_ping_timeout=settings.deadline_s,
        # Accepted requests have ended by then, if only with 504; uploads in progress are dropped.
        timeout_graceful_shutdown=math.ceil(settings.deadline_s + settings.upload_idle_s),
    )
