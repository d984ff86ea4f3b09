"""Live speech: a WebSocket that takes sound and gives utterances. docs/streaming.md is its contract."""

import asyncio
import json
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Final, Literal

import structlog
from fastapi import APIRouter, Query, WebSocket
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocketDisconnect

from alignment.errors import AlignmentError
from alignment.timing import Seconds
from model.errors import ModelError
from service.errors import BadFrameError, LiveFullError, LiveLimitError, NotReadyError, ServiceError
from service.http.exception_handlers import problem_response
from service.http.lifecycle import AppState
from service.http.live_session import LiveSession, Message
from service.http.middleware.keys import SUBPROTOCOL
from service.results.schemas import Explain

NORMAL: Final = 1000
POLICY: Final = 1008
BROKEN: Final = 1011
TRY_LATER: Final = 1013
PATH: Final = "/stream"
_TOO_LONG: Final = "the sound lasts over {:g} s, the limit"
_OPEN_TOO_LONG: Final = "the connection was open for longer than the sound may last"


class _End(BaseModel):
    """What a client says when it is done; pydantic, because Python's own parser can be made to overflow its stack."""

    type: Literal["end"]


router = APIRouter()
log = structlog.stdlib.get_logger("service.stream")


@router.websocket(PATH)
async def stream(
    websocket: WebSocket,
    rate: Annotated[int, Query(description="Samples a second of the sound that will come.")] = 16_000,
    explain: Annotated[Explain, Query(description="As in POST /predict.")] = "true",
) -> None:
    """Takes 16-bit little-endian mono PCM in binary messages until `{"type": "end"}` comes."""
    lifecycle: AppState = websocket.app.state.lifecycle
    offered = websocket.scope.get("subprotocols") or []
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    lifecycle.live_connections += 1
    code = NORMAL
    try:
        await _serve(websocket, lifecycle, rate, explain)
    except WebSocketDisconnect:
        return
    except (AlignmentError, ModelError, ServiceError) as error:
        code = _close_code(error)
        with suppress(WebSocketDisconnect):
            await _send(websocket, {"type": "error", "problem": json.loads(bytes(problem_response(error, PATH).body))})
    finally:
        lifecycle.live_connections -= 1
        log.info("live connection ended", code=code)
    with suppress(WebSocketDisconnect, RuntimeError):
        await websocket.close(code)


async def _serve(websocket: WebSocket, lifecycle: AppState, rate: int, explain: Explain) -> None:
    limits = lifecycle.settings.live
    # Sound that comes slower than it is spoken would hold a place for ever.
    over_at = asyncio.get_running_loop().time() + limits.max_audio_s + limits.idle_s
    lifecycle.require_ready()
    if lifecycle.live_connections > limits.max_connections:
        raise LiveFullError(limits.max_connections)

    session = LiveSession(
        lifecycle.engine,
        lifecycle.stages,
        partial(_send, websocket),
        rate_hz=rate,
        explain=explain,
        deadline_s=lifecycle.settings.deadline_s,
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
        # What uvicorn raises when the connection was closed in between.
        raise WebSocketDisconnect(BROKEN) from exc


async def _receive(websocket: WebSocket, idle_s: Seconds, over_at: Seconds) -> bytes | None:
    """The next frame; None when the client says that it is done."""
    left_s = over_at - asyncio.get_running_loop().time()
    try:
        message: Any = await asyncio.wait_for(websocket.receive(), min(idle_s, left_s))
    except TimeoutError as exc:
        raise LiveLimitError(f"nothing came for {idle_s:g} s" if idle_s < left_s else _OPEN_TOO_LONG) from exc
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", NORMAL))
    frame = message.get("bytes")
    if frame is not None:
        return bytes(frame)
    if _says_end(message.get("text") or ""):
        return None
    raise BadFrameError('a text message is not {"type": "end"}; sound comes in binary messages')


def _says_end(text: str) -> bool:
    try:
        _End.model_validate_json(text)
    except ValidationError:
        return False
    return True


def _close_code(error: Exception) -> int:
    if isinstance(error, LiveFullError | NotReadyError):
        return TRY_LATER
    return POLICY if isinstance(error, BadFrameError | LiveLimitError) else BROKEN
