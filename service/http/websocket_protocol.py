"""WebSockets of uvicorn with a deadline for the handshake, a bound on frames without content, and backpressure.

uvicorn does not send the response to a handshake that websockets refuses, parses all bytes that have arrived before
anything else runs, and answers pings while its client reads nothing. Messages have limits of their own
(`service.http.live_connection`).
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final

import structlog
from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request

from service.http.connection_limit import ConnectionLimit
from service.http.pace import FrameBudget
from service.http.timeouts import ReadTimeout, Timer
from service.http.turns import handshake_turns

PIECE_BYTES: Final = 1_024
"""Bytes that are parsed at once, at most 170 frames."""
KEEP: Final = "keep_connection"
"""Name, in the state of a connection, of the function that keeps it in use."""
MAX_IDLE_FRAMES: Final = 256
IDLE_FRAMES_PER_S: Final = 16
MAX_FRAMES_AFTER_CLOSE: Final = 4_096
_SMALL_BYTES: Final = 512
_CONTROL: Final = frozenset({Opcode.PING, Opcode.PONG, Opcode.CLOSE})
log = structlog.stdlib.get_logger("service.http.websocket_protocol")


class BoundedWebSocket(ReadTimeout, WebSocketsSansIOProtocol):
    """A WebSocket with a timeout for both handshakes and for reading messages, and a budget of frames without content.

    Received bytes are parsed piece by piece: not before the turn of the handshake, not before the connection is
    accepted, not while a message waits for the application, and not while the client does not read.

    Attributes:
        idle_s: Longest wait for a handshake, and for the client to read.
        limit: Limit of all connections; a WebSocket makes way for others until the application keeps it, and when it is
            being closed.
        turns: Order of the handshakes of all connections, so that clients that are refused and come again leave the
            event loop to others.
    """

    limit = ConnectionLimit(1_000)
    turns = handshake_turns()
    content = "a live connection"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handshake = Timer("a WebSocket handshake")
        self._unparsed = bytearray()
        self._has_turn = False
        self._idle_frames = FrameBudget(MAX_IDLE_FRAMES, IDLE_FRAMES_PER_S, self.loop.time())
        self._frames_after_close = FrameBudget(MAX_FRAMES_AFTER_CLOSE, 0, self.loop.time())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timeout of the opening handshake."""
        super().connection_made(transport)
        self.limit.add(self)
        self._handshake.start(self.transport, self.idle_s)
        self.turns.add(self._take_turn)

    def _take_turn(self) -> None:
        self._has_turn = True
        if not self.transport.is_closing():
            self._parse()

    def handle_connect(self, event: Request) -> None:
        """Start the application, which may keep the connection."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["state"][KEEP] = self._keep

    def _keep(self) -> None:
        if not self.close_sent:
            self.limit.leave(self)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes, or keep them until they may be parsed."""
        self._unparsed += data
        self._parse()

    @property
    def _may_parse(self) -> bool:
        is_open = self.handshake_complete or (self._has_turn and not self.handshake_initiated)
        return is_open and self.writable.is_set() and not self.read_paused and not self.transport.is_closing()

    def _parse(self) -> None:
        while self._unparsed and self._may_parse:
            piece = bytes(self._unparsed[:PIECE_BYTES])
            del self._unparsed[:PIECE_BYTES]
            super().data_received(piece)
            if not self.handshake_initiated and self.conn.eof_sent:
                self._refuse_handshake()
        if self._may_parse:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def _refuse_handshake(self) -> None:
        """Send the response to a request that websockets cannot parse, and close."""
        exc = self.conn.handshake_exc
        reason = f"Failed to open a WebSocket connection: {(exc and exc.__cause__) or exc}.\n"
        prepared = b"".join(self.conn.data_to_send())
        self.transport.write(prepared or self.conn.reject(HTTPStatus.BAD_REQUEST, reason).serialize())
        self.handshake_complete = self.close_sent = True
        self.transport.close()

    def handle_events(self) -> None:
        """Process parsed frames; close the connection where too many have no content."""
        frames = [event for event in self.conn.events if isinstance(event, Frame)]
        now_s = self.loop.time()
        if self.close_sent:
            accepted = self._frames_after_close.spend(len(frames), now_s)
        else:
            accepted = self._idle_frames.spend(sum(map(_is_idle, frames)), now_s)
        if accepted:
            super().handle_events()
        else:
            self._end_flood()

    def _end_flood(self) -> None:
        log.warning("live connection closed", reason="too many frames without content")
        self._unparsed.clear()
        self.conn.events_received()
        # The pongs are not sent: the client may not read them.
        self.conn.data_to_send()
        if not self.conn.eof_sent:
            self.conn.fail(CloseCode.POLICY_VIOLATION, "too many frames without content")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
        self.limit.wait(self)
        self._handshake.start(self.transport, self.idle_s)

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message; the timeout of the opening handshake ends with its response."""
        await super().send(message)
        if self.close_sent:
            self.limit.wait(self)
        elif self.handshake_complete:
            self._handshake.stop()
        self._parse()

    async def receive(self) -> ASGIReceiveEvent:
        """The next message; the bytes after it are parsed when it has been taken."""
        message = await super().receive()
        self._parse()
        return message

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        """Start the timeout of the closing handshake."""
        super().on_task_complete(task)
        if not self.disconnected:
            self.limit.wait(self)
            self._handshake.start(self.transport, self.close_timeout + self.idle_s)

    def pause_writing(self) -> None:
        """Stop reading: responses to pings would fill the memory."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        super().resume_writing()
        self._parse()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout."""
        self._handshake.stop()
        self.limit.remove(self)
        self._unparsed.clear()
        super().connection_lost(exc)


def _is_idle(frame: Frame) -> bool:
    """Whether a frame is a control frame, empty, or a small fragment."""
    if frame.opcode in _CONTROL or not frame.data:
        return True
    return len(frame.data) < _SMALL_BYTES and not frame.fin
