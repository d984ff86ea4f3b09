"""Text messages of a client of `/stream`, and the options of a connection."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alignment.pcm import ENCODINGS, TELEPHONE_RATE_HZ, Encoding
from alignment.sample_blocks import SAMPLE_RATE_BOUNDS_HZ
from service.errors import BadFrameError
from service.http.names import shorten, suggest
from service.inference.request import MAX_NAME_LENGTH, Explain

Kind = Literal["start", "keepalive", "end"]
_KINDS: Final[dict[str, Kind]] = {"start": "start", "keepalive": "keepalive", "ping": "keepalive", "end": "end"}
_DEFAULT_RATE_HZ: Final = 16_000
_COMPRESSED: Final = "decode compressed audio (Opus, WebM, MP3) before, in a browser as examples/live.html does"


class LiveOptions(BaseModel):
    """Options of a connection, from its address or from the message `start`.

    Attributes:
        rate: Sample rate in Hz; None for 8 kHz with mulaw and alaw, else 16 kHz.
        encoding: Encoding of the samples.
        explain: As in POST /predict.
        bundle: Name of a served bundle; None for the default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: Annotated[int | None, Field(ge=SAMPLE_RATE_BOUNDS_HZ[0], le=SAMPLE_RATE_BOUNDS_HZ[1])] = None
    encoding: Encoding = "pcm_s16le"
    explain: Explain = "true"
    bundle: Annotated[str | None, Field(max_length=MAX_NAME_LENGTH)] = None

    @property
    def rate_hz(self) -> int:
        """Sample rate of the audio."""
        return self.rate or (TELEPHONE_RATE_HZ if self.encoding in {"mulaw", "alaw"} else _DEFAULT_RATE_HZ)


class _Text(BaseModel):
    """A message; parsed by pydantic, because input can overflow the stack of Python's own parser."""

    model_config = ConfigDict(extra="allow")

    type: str


def read_options(values: Mapping[str, Any]) -> LiveOptions:
    """Options of a connection.

    Raises:
        BadFrameError: An option is unknown or out of bounds.
    """
    try:
        return LiveOptions.model_validate(values)
    except ValidationError as exc:
        [first, *_] = exc.errors()
    name = shorten(str(first["loc"][0]))
    if first["type"] == "extra_forbidden":
        raise BadFrameError(f"there is no option `{name}`", suggest(name, tuple(LiveOptions.model_fields)))
    value = shorten(str(values.get(name)))
    if name == "encoding":
        raise BadFrameError(f"`encoding` is {value!r}; accepted are {', '.join(ENCODINGS)}", _COMPRESSED)
    raise BadFrameError(f"`{name}` is {value!r}: {first['msg'][0].lower()}{first['msg'][1:]}", "correct it, or omit it")


def read_text(text: str) -> tuple[Kind, dict[str, Any]]:
    """Kind of a text message, and its other fields.

    Raises:
        BadFrameError: It is not a known message.
    """
    accepted = f"accepted are {', '.join(json.dumps({'type': kind}) for kind in ('start', 'keepalive', 'end'))}"
    try:
        message = _Text.model_validate_json(text)
    except ValidationError as exc:
        if '"event"' in text[:200]:
            hint = "connect to /stream/twilio"
            raise BadFrameError("a text message is one of Twilio Media Streams", hint) from exc
        raise BadFrameError(f"a text message is not JSON with a `type`; {accepted}") from exc
    kind = _KINDS.get(message.type.lower().replace("_", "").replace("-", ""))
    if kind is None:
        raise BadFrameError(f"there is no message {shorten(message.type)!r}; {accepted}")
    return kind, message.model_extra or {}
