"""A live connection: messages within its limits, and its end with a reason."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from alignment.errors import CanSerError
from alignment.timing import Seconds
from service.errors import (
    BadFrameError,
    LiveFullError,
    LiveLimitError,
    NotReadyError,
    RateLimitedError,
    UnknownBundleError,
    WrongKeyError,
)
from service.http.live_session import Message
from service.http.pace import FrameBudget
from service.http.websocket_protocol import IDLE_FRAMES_PER_S, KEEP, MAX_IDLE_FRAMES
from service.results.problems import to_problem
from service.setting_groups import LiveSettings

NORMAL: Final = 1000
POLICY: Final = 1008
BROKEN: Final = 1011
TRY_LATER: Final = 1013
_REFUSED: Final = (BadFrameError, LiveLimitError, UnknownBundleError, WrongKeyError, RateLimitedError)
_OPEN_TOO_LONG: Final = "the connection was open for longer than the audio may last"
log = structlog.stdlib.get_logger("service.stream")


class LiveConnection:
    """Messages of one client."""

    def __init__(self, websocket: WebSocket, limits: LiveSettings) -> None:
        """Start the time that the connection may be open."""
        self._websocket, self._limits = websocket, limits
        self._began_at = self._now
        # Audio that arrives slower than real time would occupy a connection for ever.
        self._over_at = self._began_at + limits.max_audio_s + limits.idle_s
        self._without_audio = FrameBudget(MAX_IDLE_FRAMES, IDLE_FRAMES_PER_S, self._began_at)

    @property
    def open_s(self) -> Seconds:
        """Time since the start of the connection."""
        return self._now - self._began_at

    @property
    def _now(self) -> Seconds:
        return asyncio.get_running_loop().time()

    def keep(self) -> None:
        """Keep the connection in use; before, it makes way for others where there are too many."""
        keep: Callable[[], None] | None = getattr(self._websocket.state, KEEP, None)
        if keep is not None:
            keep()

    async def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            WebSocketDisconnect: The connection has ended.
        """
        try:
            await self._websocket.send_text(json.dumps(message))
        except RuntimeError as exc:
            # Raised by uvicorn when the connection has been closed.
            raise WebSocketDisconnect(BROKEN) from exc

    async def receive(self, idle_s: Seconds | None = None) -> bytes | str:
        """The next message, after other work of the event loop.

        Args:
            idle_s: Longest wait for it; None for that of the settings.

        Raises:
            WebSocketDisconnect: The connection has ended.
            LiveLimitError: No message arrived in time, or the connection was open for too long.
            BadFrameError: The message is too large.
        """
        # A message that has arrived is received without suspension; many of them would occupy the event loop.
        await asyncio.sleep(0)
        idle_s, left_s = idle_s or self._limits.idle_s, self._over_at - self._now
        try:
            async with asyncio.timeout(min(idle_s, left_s)):
                message: Any = await self._websocket.receive()
        except TimeoutError as exc:
            raise LiveLimitError(f"no message arrived for {idle_s:g} s" if idle_s < left_s else _OPEN_TOO_LONG) from exc
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NORMAL))
        frame = message.get("bytes")
        content: bytes | str = message.get("text") or "" if frame is None else bytes(frame)
        if len(content) > self._limits.max_frame_bytes:
            raise BadFrameError(f"a message has {len(content)} bytes, accepted are {self._limits.max_frame_bytes}")
        return content

    def count_without_audio(self) -> None:
        """Count a message without audio.

        Raises:
            LiveLimitError: There were too many in a short time.
        """
        if not self._without_audio.spend(1, self._now):
            raise LiveLimitError(f"more than {IDLE_FRAMES_PER_S} messages without audio arrived per second")


async def serve_live(
    websocket: WebSocket, limits: LiveSettings, serve: Callable[[LiveConnection], Awaitable[None]]
) -> None:
    """Serve an accepted connection, and close it with the reason of its end."""
    connection, code = LiveConnection(websocket, limits), NORMAL
    try:
        await serve(connection)
    except WebSocketDisconnect:
        return
    except CanSerError as error:
        code = _close_code(error)
        problem = to_problem(error, websocket.url.path).model_dump()
        with suppress(WebSocketDisconnect):
            await connection.send({"type": "error", "problem": problem})
    finally:
        log.info("live connection ended", code=code)
    with suppress(WebSocketDisconnect, RuntimeError):
        await websocket.close(code)


def _close_code(error: Exception) -> int:
    if isinstance(error, LiveFullError | NotReadyError):
        return TRY_LATER
    return POLICY if isinstance(error, _REFUSED) else BROKEN
