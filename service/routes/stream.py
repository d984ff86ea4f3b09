"""Live speech: a WebSocket that takes sound and gives utterances. docs/streaming.md is its contract."""

import asyncio
import json
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from alignment.errors import AlignmentError
from model.errors import ModelError
from service.errors import BadFrameError, LiveFullError, LiveLimitError, NotReadyError, ServiceError
from service.keys import SUBPROTOCOL
from service.lifecycle import Lifecycle
from service.live_session import LiveSession, Message
from service.problems import problem_response
from service.schemas import Explain

NORMAL: Final = 1000
POLICY: Final = 1008
BROKEN: Final = 1011
TRY_LATER: Final = 1013
router = APIRouter()
log = structlog.stdlib.get_logger("service.stream")


@router.websocket("/stream")
async def stream(
    websocket: WebSocket,
    rate: Annotated[int, Query(description="Samples a second of the sound that will come.")] = 16_000,
    explain: Annotated[Explain, Query(description="As in POST /predict.")] = "true",
) -> None:
    """Takes 16-bit little-endian mono PCM in binary messages until `{"type": "end"}` comes."""
    lifecycle: Lifecycle = websocket.app.state.lifecycle
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
        await _tell_problem(websocket, error)
    finally:
        lifecycle.live_connections -= 1
        log.info("live connection ended", code=code)
    await websocket.close(code)


async def _serve(websocket: WebSocket, lifecycle: Lifecycle, rate: int, explain: Explain) -> None:
    limits = lifecycle.settings.live
    lifecycle.require_ready()
    if lifecycle.live_connections > limits.max_connections:
        raise LiveFullError(limits.max_connections)

    async def send(message: Message) -> None:
        await websocket.send_text(json.dumps(message))

    session = LiveSession(
        lifecycle.engine,
        lifecycle.stages,
        send,
        rate_hz=rate,
        explain=explain,
        deadline_s=lifecycle.settings.deadline_s,
    )
    try:
        while (frame := await _receive(websocket, limits.idle_s)) is not None:
            if len(frame) > limits.max_frame_bytes:
                raise BadFrameError(f"a frame has {len(frame)} bytes, accepted are {limits.max_frame_bytes}")
            await session.feed(frame)
            if session.duration_s > limits.max_audio_s:
                raise LiveLimitError(f"the sound lasts over {limits.max_audio_s:g} s, the limit")
        await session.finish()
    finally:
        await session.close()


async def _receive(websocket: WebSocket, idle_s: float) -> bytes | None:
    """The next frame; None when the client says that it is done."""
    try:
        message: Any = await asyncio.wait_for(websocket.receive(), idle_s)
    except TimeoutError as exc:
        raise LiveLimitError(f"nothing came for {idle_s:g} s") from exc
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
        said = json.loads(text)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("type") == "end"


def _close_code(error: Exception) -> int:
    if isinstance(error, LiveFullError | NotReadyError):
        return TRY_LATER
    return POLICY if isinstance(error, BadFrameError | LiveLimitError) else BROKEN


async def _tell_problem(websocket: WebSocket, error: Exception) -> None:
    problem = json.loads(bytes(problem_response(error, "/stream").body))
    await websocket.send_text(json.dumps({"type": "error", "problem": problem}))
