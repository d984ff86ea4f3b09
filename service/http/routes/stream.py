"""Live speech over a WebSocket; docs/streaming.md is the contract."""

import asyncio
import json
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Final, Literal

import structlog
from fastapi import APIRouter, Query, WebSocket
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocketDisconnect

from alignment.errors import CanSerError
from alignment.timing import Seconds
from service.errors import BadFrameError, LiveFullError, LiveLimitError, NotReadyError, UnknownBundleError
from service.http.lifecycle import AppState
from service.http.live_session import LiveSession, Message
from service.http.middleware.authentication import SUBPROTOCOL
from service.inference.request import MAX_NAME_LENGTH, Explain
from service.results.problems import to_problem

NORMAL: Final = 1000
POLICY: Final = 1008
BROKEN: Final = 1011
TRY_LATER: Final = 1013
PATH: Final = "/stream"
_TOO_LONG: Final = "the audio lasts longer than {:g} s, the limit"
_OPEN_TOO_LONG: Final = "the connection was open for longer than the audio may last"


class _End(BaseModel):
    """The last message of a client; parsed by pydantic, because input can overflow the stack of Python's own parser."""

    type: Literal["end"]


router = APIRouter()
log = structlog.stdlib.get_logger("service.stream")


@router.websocket(PATH)
async def stream(
    websocket: WebSocket,
    rate: Annotated[int, Query(description="Sample rate of the audio in Hz.")] = 16_000,
    explain: Annotated[Explain, Query(description="As in POST /predict.")] = "true",
    bundle: Annotated[
        str | None, Query(description="Name of a served bundle; omit it for the default.", max_length=MAX_NAME_LENGTH)
    ] = None,
) -> None:
    """Read 16-bit little-endian mono PCM from binary messages until `{"type": "end"}`."""
    state: AppState = websocket.app.state.can_ser
    offered = websocket.scope.get("subprotocols") or []
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    code = NORMAL
    try:
        state.require_ready()
        with state.live.hold(getattr(websocket.state, "owner", "")):
            await _serve(websocket, state, rate, explain, bundle)
    except WebSocketDisconnect:
        return
    except CanSerError as error:
        code = _close_code(error)
        with suppress(WebSocketDisconnect):
            await _send(websocket, {"type": "error", "problem": to_problem(error, PATH).model_dump()})
    finally:
        log.info("live connection ended", code=code)
    with suppress(WebSocketDisconnect, RuntimeError):
        await websocket.close(code)


async def _serve(websocket: WebSocket, state: AppState, rate: int, explain: Explain, bundle: str | None) -> None:
    limits = state.settings.live
    # Audio that arrives slower than real time would occupy a connection for ever.
    over_at = asyncio.get_running_loop().time() + limits.max_audio_s + limits.idle_s
    session = LiveSession(
        state.engine,
        state.scheduler,
        partial(_send, websocket),
        rate_hz=rate,
        explain=explain,
        bundle=bundle,
        deadline_s=state.settings.deadline_s,
    )
    try:
        while (frame := await _receive(websocket, limits.idle_s, over_at)) is not None:
            if len(frame) > limits.max_frame_bytes:
                raise BadFrameError(f"a frame has {len(frame)} bytes, accepted are {limits.max_frame_bytes}")
            await session.feed(frame)
            if session.duration_s > limits.max_audio_s:
                raise LiveLimitError(_TOO_LONG.format(limits.max_audio_s))
        await session.finish()
    finally:
        await session.close()


async def _send(websocket: WebSocket, message: Message) -> None:
    try:
        await websocket.send_text(json.dumps(message))
    except RuntimeError as exc:
        # Raised by uvicorn when the connection has been closed.
        raise WebSocketDisconnect(BROKEN) from exc


async def _receive(websocket: WebSocket, idle_s: Seconds, over_at: Seconds) -> bytes | None:
    """The next frame; None after the last one."""
    left_s = over_at - asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(min(idle_s, left_s)):
            message: Any = await websocket.receive()
    except TimeoutError as exc:
        raise LiveLimitError(f"no message arrived for {idle_s:g} s" if idle_s < left_s else _OPEN_TOO_LONG) from exc
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", NORMAL))
    frame = message.get("bytes")
    if frame is not None:
        return bytes(frame)
    if _is_end(message.get("text") or ""):
        return None
    raise BadFrameError('a text message is not {"type": "end"}; send audio in binary messages')


def _is_end(text: str) -> bool:
    try:
        _End.model_validate_json(text)
    except ValidationError:
        return False
    return True


def _close_code(error: Exception) -> int:
    if isinstance(error, LiveFullError | NotReadyError):
        return TRY_LATER
    return POLICY if isinstance(error, BadFrameError | LiveLimitError | UnknownBundleError) else BROKEN
