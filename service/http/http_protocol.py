"""HTTP connections of uvicorn with a timeout and a size limit for request heads, and a bounded pipeline.

uvicorn waits without a limit for the rest of a request head, buffers all of it, creates a record of each pipelined
request as soon as its bytes arrive, and waits without a limit until a response is read. Bodies have limits of their own
(`service.http.middleware.upload_limits`).

Source: RFC 6585, Section 5 (431); the attacks are known as slowloris and slow read.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from alignment.timing import Seconds
from service.http.connection_limit import ConnectionLimit, HealthOnly
from service.http.timeouts import ReadTimeout, Timer
from service.http.turns import pipelined_turns

MAX_HEAD_BYTES: Final = 65_536
PIECE_BYTES: Final = 2_048
"""Bytes that are parsed at once, except those of a body; requests that follow in them wait as records."""
MAX_PIPELINE_BYTES: Final = 65_536
"""Bytes behind a request that are read before its response is complete."""
PIPELINE_S: Final[Seconds] = 1.0
"""Time for which a connection may leave more bytes than that unread; then its response in progress is the last one."""
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_HANDSHAKE_WITH_BODY: Final = "A WebSocket handshake has no body; send it without Content-Length."


class _HeldFlow(FlowControl):
    """Flow control that does not resume reading while received bytes wait to be parsed."""

    held = False

    def resume_reading(self) -> None:
        """Resume reading, unless bytes wait."""
        if not self.held:
            super().resume_reading()


class BoundedHttp(ReadTimeout, HttpToolsProtocol):
    """An HTTP connection with a timeout and a size limit for each request head, and a timeout for reading responses.

    Pipelined requests are parsed when the previous ones have been answered. Until then a bounded number of their bytes
    is read, because the end of a connection is noticed only by reading. Where more bytes arrive, reading stops for
    `PIPELINE_S`; then the bytes are dropped, and the connection ends with the response in progress (RFC 9112, Section
    9.3.2: the client repeats what was not answered).

    Attributes:
        idle_s: Longest wait for a whole head, for a response to be read, and for a next request.
        upload_s: Longest wait for the rest of a body that was refused before its end.
        limit: Limit of all connections.
        turns: Order of the pipelined requests of all connections.
    """

    upload_s: Seconds = 600.0
    limit = ConnectionLimit(1_000)
    turns = pipelined_turns()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = Timer("a request head")
        self._steps = self._head_bytes = self._body_bytes = 0
        self._unparsed = bytearray()
        self._upgrading = self._pipelining = self._reserved = self._last = False
        self._answering: RequestResponseCycle | None = None
        self._pipeline_end: asyncio.TimerHandle | None = None
        self.flow: _HeldFlow

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout of the first head; beyond the limit, serve one health check."""
        super().connection_made(transport)
        self.flow = _HeldFlow(transport)
        self._reserved = not self.limit.admit(self)
        if self._reserved:
            self.app = HealthOnly(self.app)
        self._wait_for_head(self.idle_s)

    def _wait_for_head(self, limit_s: Seconds) -> None:
        self._head.start(self.transport, limit_s)
        self.limit.wait(self)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes, those of further pipelined requests later."""
        if not self._upgrading and not self._last:
            self._pipelining = False
            self._unparsed += data
            self._parse()

    def _parse(self) -> None:
        """Parse piece by piece, until a request waits for the response to the previous one."""
        while self._unparsed and not self.pipeline and not self.transport.is_closing():
            size = max(PIECE_BYTES, self._body_bytes)
            piece = bytes(self._unparsed[:size])
            del self._unparsed[:size]
            self._parse_piece(piece)
        self._hold(len(self._unparsed) >= MAX_PIPELINE_BYTES)

    def _hold(self, held: bool) -> None:
        """Stop reading for a limited time, or continue where bytes of a pipelined request stopped it."""
        self.flow.held = held
        if held:
            self.flow.pause_reading()
            self._pipeline_end = self._pipeline_end or self.loop.call_later(PIPELINE_S, self._end_pipeline)
        else:
            self._stop_pipeline_timer()
            if self.pipeline:
                self.flow.resume_reading()

    def _stop_pipeline_timer(self) -> None:
        if self._pipeline_end is not None:
            self._pipeline_end.cancel()
            self._pipeline_end = None

    def _end_pipeline(self) -> None:
        """Make the response in progress the last one, and read on without keeping anything."""
        self._unparsed.clear()
        self._hold(held=False)
        self._make_last()
        self.flow.resume_reading()

    def _make_last(self) -> None:
        """Close the connection after the response in progress."""
        if self._answering is not None and not self._answering.response_complete:
            self._last = True
            self._answering.keep_alive = False

    def _parse_piece(self, piece: bytes) -> None:
        """Count bytes that belong neither to a body nor to a complete head."""
        steps = self._steps
        super().data_received(piece)
        self._head_bytes = self._head_bytes + len(piece) if steps == self._steps else 0
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def _should_upgrade(self) -> bool:
        return not self._reserved and super()._should_upgrade()

    def on_headers_complete(self) -> None:
        """Stop the timeout of the head; that of a WebSocket handshake continues until it is handed over."""
        self._steps += 1
        self._body_bytes = next((_to_count(value) for name, value in self.headers if name == b"content-length"), 0)
        upgrades = self.parser.should_upgrade() and self._should_upgrade()
        if not upgrades:
            self._head.stop()
            self.limit.leave(self)
        super().on_headers_complete()
        if self._reserved:
            self.cycle.keep_alive = False
        elif upgrades and any(_announces_body(name, value) for name, value in self.headers):
            # The handshake would wait for a body that is not read.
            self.send_400_response(_HANDSHAKE_WITH_BODY)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, unless the handshake was refused or a response is in progress."""
        self._upgrading = True
        self._unparsed.clear()
        if self.cycle is not None and not self.cycle.response_complete:
            # Two protocols would write to one connection.
            self.transport.close()
        if not self.transport.is_closing():
            self._head.stop()
            self.limit.remove(self)
            super().handle_websocket_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """Close the connection after the response: the parser accepts no further request on it."""
        super()._unsupported_upgrade_warning()
        self._upgrading = True
        self._unparsed.clear()
        self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Send the response and close; the timeout ends a connection whose client does not read it."""
        super().send_400_response(msg)
        self._head.start(self.transport, self.idle_s)

    def on_body(self, body: bytes) -> None:
        """Register a part of the body."""
        self._steps += 1
        self._body_bytes = max(0, self._body_bytes - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Register the end of the body."""
        self._steps += 1
        self._body_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the timeout of the next head, of the rest of an unread body, or of an unread response."""
        self.flow.held = False
        self._stop_pipeline_timer()
        self._pipelining = True
        super().on_response_complete()
        if self.cycle.response_complete:
            self._wait_for_head(self.upload_s if self.cycle.more_body else self.idle_s)
        self._parse()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Start the application; a pipelined request waits for its turn, so that no client occupies the event loop."""
        self._answering = cycle
        start = partial(super()._start_asgi_task, cycle, app)
        if self._pipelining:
            self.limit.wait(self)
            self.turns.add(partial(self._start_in_turn, start))
        else:
            start()

    def _start_in_turn(self, start: Callable[[], None]) -> None:
        self.limit.leave(self)
        if not self.transport.is_closing():
            start()

    def shutdown(self) -> None:
        """Close the connection after the response in progress: requests behind it are not answered."""
        super().shutdown()
        if self.pipeline:
            self._make_last()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeouts, and tell the application, which may not be that of the newest request."""
        self._head.stop()
        self._stop_pipeline_timer()
        self.limit.remove(self)
        self._unparsed.clear()
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)


def _to_count(value: bytes) -> int:
    """Number of bytes that a header announces; the parser has refused what is not a number."""
    return int(value) if value.isdigit() else 0


def _announces_body(name: bytes, value: bytes) -> bool:
    return name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
