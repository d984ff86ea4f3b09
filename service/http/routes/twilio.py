"""Live speech of telephone calls: the messages of Twilio Media Streams; docs/streaming.md is the contract.

Twilio can send neither headers nor a query string, so that a key is a custom parameter of the stream: the connection is
accepted without one, and ended unless its message `start` names a valid one.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from fastapi import APIRouter, WebSocket

from alignment.pcm import PcmDecoder
from alignment.timing import Seconds
from service.errors import BadFrameError
from service.http.lifecycle import AppState
from service.http.live_connection import LiveConnection, serve_live
from service.http.live_messages import LiveOptions
from service.http.live_session import LiveSession, Message
from service.http.middleware.authentication import TWILIO_PATH
from service.http.routes.stream import feed_session, open_session
from service.http.twilio_messages import Media, Start, Track, TwilioMessage, read_message

_START_S: Final[Seconds] = 10.0
_GAP_S: Final[Seconds] = 0.2
_FILL_S: Final[Seconds] = 1.0
_JITTER_S: Final[Seconds] = 2.0

router = APIRouter()


@router.websocket(TWILIO_PATH)
async def twilio(websocket: WebSocket) -> None:
    """Read messages of Twilio Media Streams until `stop`; see docs/streaming.md for the results."""
    state: AppState = websocket.app.state.can_ser
    await websocket.accept()
    await serve_live(websocket, state.settings.live, partial(_serve, websocket, state))


async def _serve(websocket: WebSocket, state: AppState, connection: LiveConnection) -> None:
    message = await _read_start(connection)
    start = message.start or Start()
    identify: Callable[[str], str] | None = getattr(websocket.state, "identify", None)
    owner = identify(start.key) if identify else getattr(websocket.state, "owner", "")
    state.require_ready()
    with state.live.hold(owner):
        connection.keep()
        call = _Call(state, connection, message.stream_sid, start)
        try:
            while await call.process(read_message(await connection.receive())):
                pass
        finally:
            await call.close()


async def _read_start(connection: LiveConnection) -> TwilioMessage:
    """The message `start`, which arrives after `connected`; until then nobody is known to have a key."""
    while connection.open_s < _START_S:
        message = read_message(await connection.receive(_START_S))
        if message.event == "start":
            return message
        if message.event != "connected":
            raise BadFrameError(f"the message `{message.event[:100]}` arrived before `start`", "send `start` first")
        connection.count_without_audio()
    raise BadFrameError(f"the message `start` did not arrive within {_START_S:g} s", "send it after `connected`")


class _Call:
    """The tracks of a stream, each with a session of its own."""

    def __init__(self, state: AppState, connection: LiveConnection, stream_sid: str, start: Start) -> None:
        options = start.read_options()
        self._connection, self._max_audio_s = connection, state.settings.live.max_audio_s
        self._names = {"streamSid": stream_sid, "callSid": start.call_sid}
        self._tracks = {
            track: _Track(open_session(state, partial(self._send, track), options), options)
            for track in dict.fromkeys(start.tracks)
        }

    async def process(self, message: TwilioMessage) -> bool:
        """Process a message; False after the last one. Messages without audio have no effect."""
        if message.event == "stop":
            for track in self._tracks.values():
                await track.session.finish()
            return False
        if message.event != "media" or message.media is None:
            self._connection.count_without_audio()
            return True
        if message.media.track not in self._tracks:
            names = " and ".join(self._tracks)
            raise BadFrameError(
                f"audio of the track `{message.media.track}`; `start` names {names}", "correct `tracks`"
            )
        track = self._tracks[message.media.track]
        await track.feed(message.media, self._connection.open_s, self._max_audio_s)
        return True

    async def close(self) -> None:
        """Cancel the utterances in progress."""
        for track in self._tracks.values():
            await track.session.close()

    async def _send(self, track: Track, message: Message) -> None:
        await self._connection.send({**message, "track": track, **self._names})


class _Track:
    """One direction of a call.

    Audio that is missing, before the first message or because packets were lost, is replaced by silence, so that the
    times of both tracks are those of the call. A timestamp cannot be ahead of the time that has passed.

    Attributes:
        session: Its session.
    """

    def __init__(self, session: LiveSession, options: LiveOptions) -> None:
        self.session = session
        self._rate_hz = options.rate_hz
        self._sample_bytes = PcmDecoder(options.encoding, options.rate_hz).sample_bytes
        self._silence = b"\xff" if options.encoding == "mulaw" else b"\xd5" if options.encoding == "alaw" else b"\0"
        self._received = 0

    async def feed(self, media: Media, passed_s: Seconds, max_audio_s: Seconds) -> None:
        """Process audio, after the silence that is missing before it."""
        begins_s = min(media.timestamp / 1_000, passed_s + _JITTER_S)
        gap_s = begins_s - self._received / (self._rate_hz * self._sample_bytes)
        if gap_s > _GAP_S:
            left = round(gap_s * self._rate_hz)
            while left > 0:
                samples = min(left, round(_FILL_S * self._rate_hz))
                left -= samples
                await self._feed(self._silence * samples * self._sample_bytes, max_audio_s)
        await self._feed(media.payload, max_audio_s)

    async def _feed(self, frame: bytes, max_audio_s: Seconds) -> None:
        self._received += len(frame)
        await feed_session(self.session, frame, max_audio_s)
