"""Messages of Twilio Media Streams, which other telephone services send too.

Source: Twilio, "Media Streams - WebSocket Messages".
"""

import base64
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from alignment.pcm import Encoding
from service.errors import BadFrameError
from service.http.live_messages import LiveOptions, read_options
from service.http.names import shorten

Track = Literal["inbound", "outbound"]
_ENCODINGS: Final[dict[str, Encoding]] = {"audio/x-mulaw": "mulaw", "audio/x-alaw": "alaw", "audio/x-l16": "pcm_s16le"}
_KEY: Final = "key"
_OPTIONS: Final = frozenset({"bundle", "explain"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel)


class MediaFormat(_Part):
    """Format of the audio of all tracks."""

    encoding: str = "audio/x-mulaw"
    sample_rate: int = 8_000
    channels: Literal[1] = 1


class Start(_Part):
    """Description of a stream.

    Attributes:
        call_sid: Id of the call.
        tracks: Tracks that are sent.
        media_format: Format of the audio.
        custom_parameters: Values of `<Parameter>` in TwiML.
    """

    call_sid: Annotated[str, Field(max_length=200)] = ""
    tracks: Annotated[tuple[Track, ...], Field(min_length=1, max_length=2)] = ("inbound",)
    media_format: MediaFormat = MediaFormat()
    custom_parameters: dict[str, str] = {}

    @property
    def key(self) -> str:
        """API key among the custom parameters; "" without one."""
        return self.custom_parameters.get(_KEY, "")

    def read_options(self) -> LiveOptions:
        """Options of the sessions.

        Raises:
            BadFrameError: The format of the audio is not supported, or an option is unknown.
        """
        name = self.media_format.encoding
        if name not in _ENCODINGS:
            raise BadFrameError(f"the encoding is {shorten(name)!r}; accepted are {', '.join(_ENCODINGS)}")
        values = {"rate": self.media_format.sample_rate, "encoding": _ENCODINGS[name]}
        chosen = {name: value for name, value in self.custom_parameters.items() if name in _OPTIONS}
        return read_options(values | chosen)


def _read_base64(value: object) -> bytes:
    """Bytes of a payload; pydantic's own type ignores invalid characters."""
    if not isinstance(value, str):
        raise ValueError("it is not text")  # noqa: TRY004 - pydantic reports this class only
    return base64.b64decode(value, validate=True)


class Media(_Part):
    """Audio of a track.

    Attributes:
        payload: Audio, in Base64 on the wire.
        track: The track.
        timestamp: Milliseconds from the start of the stream.
    """

    payload: Annotated[bytes, BeforeValidator(_read_base64, json_schema_input_type=str)]
    track: Track = "inbound"
    timestamp: Annotated[int, Field(ge=0)] = 0


class TwilioMessage(BaseModel):
    """A message; parsed by pydantic, because input can overflow the stack of Python's own parser.

    Attributes:
        event: "connected", "start", "media", "stop", "mark", "dtmf", or a future one.
        stream_sid: Id of the stream.
        start: Its description, in the message "start".
        media: Its audio, in the message "media".
    """

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    event: str
    stream_sid: Annotated[str, Field(max_length=200)] = ""
    start: Start | None = None
    media: Media | None = None


def read_message(content: bytes | str) -> TwilioMessage:
    """A message of Twilio.

    Raises:
        BadFrameError: It is binary, or has another form.
    """
    if isinstance(content, bytes):
        raise BadFrameError("a message is binary", "send Twilio's messages, which are text, or connect to /stream")
    try:
        message = TwilioMessage.model_validate_json(content)
    except ValidationError as exc:
        [first, *_] = exc.errors()
        place = ".".join(str(part) for part in first["loc"]) or "it"
        reason = f"a message is not one of Twilio Media Streams ({shorten(place)}: {first['msg']})"
        raise BadFrameError(reason, "see docs/streaming.md") from exc
    if message.event in {"start", "media"} and getattr(message, message.event) is None:
        raise BadFrameError(f"the message `{message.event}` has no field `{message.event}`", "see docs/streaming.md")
    return message
