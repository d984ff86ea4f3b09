"""Live speech over a WebSocket; docs/streaming.md is the contract."""

from functools import partial
from typing import Final

from fastapi import APIRouter, WebSocket

from alignment.timing import Seconds
from service.errors import BadFrameError, LiveLimitError
from service.http.lifecycle import AppState
from service.http.live_connection import LiveConnection, serve_live
from service.http.live_messages import LiveOptions, read_options, read_text
from service.http.live_session import LiveSession, Send
from service.http.middleware.authentication import SUBPROTOCOL

PATH: Final = "/stream"
_TOO_LONG: Final = "the audio lasts longer than {:g} s, the limit"

router = APIRouter()


@router.websocket(PATH)
async def stream(websocket: WebSocket) -> None:
    """Read mono samples from binary messages until `{"type": "end"}`; see `LiveOptions` for the parameters."""
    state: AppState = websocket.app.state.can_ser
    offered = websocket.scope.get("subprotocols") or []
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    await serve_live(websocket, state.settings.live, partial(_serve, websocket, state))


async def _serve(websocket: WebSocket, state: AppState, connection: LiveConnection) -> None:
    options = read_options(dict(websocket.query_params))
    state.require_ready()
    with state.live.hold(getattr(websocket.state, "owner", "")):
        # Wrong options of the address are refused before the first message.
        session = open_session(state, connection.send, options)
        first, chosen = await _read_start(connection, options)
        connection.keep()
        if chosen != options:
            session = open_session(state, connection.send, chosen)
        try:
            while first is not None:
                await feed_session(session, first, state.settings.live.max_audio_s)
                first = await _read_audio(connection)
            await session.finish()
        finally:
            await session.close()


def open_session(state: AppState, send: Send, options: LiveOptions) -> LiveSession:
    """A session with the models and limits of the service."""
    return LiveSession(
        state.engine,
        state.scheduler,
        send,
        rate_hz=options.rate_hz,
        encoding=options.encoding,
        explain=options.explain,
        bundle=options.bundle,
        deadline_s=state.settings.deadline_s,
        shared=state.live_limits,
    )


async def feed_session(session: LiveSession, frame: bytes, max_audio_s: Seconds) -> None:
    """Process audio.

    Raises:
        LiveLimitError: The audio is longer than accepted.
        CanSerError: See `LiveSession.feed`.
    """
    await session.feed(frame)
    if session.duration_s > max_audio_s:
        raise LiveLimitError(_TOO_LONG.format(max_audio_s))


async def _read_start(connection: LiveConnection, options: LiveOptions) -> tuple[bytes | None, LiveOptions]:
    """The first audio, None where there is none, and the options of a message `start` before it."""
    while True:
        content = await connection.receive()
        if isinstance(content, bytes):
            return content, options
        connection.count_without_audio()
        kind, fields = read_text(content)
        if kind == "end":
            return None, options
        if kind == "start":
            options = read_options(options.model_dump(exclude_unset=True) | fields)


async def _read_audio(connection: LiveConnection) -> bytes | None:
    """The next audio; None after the last one."""
    while not isinstance(content := await connection.receive(), bytes):
        connection.count_without_audio()
        kind, _ = read_text(content)
        if kind == "end":
            return None
        if kind == "start":
            raise BadFrameError("the message `start` arrived after audio", "send it first")
    return content
