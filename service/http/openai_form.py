"""The form of POST /v1/audio/transcriptions."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_args

from fastapi import Request
from starlette.datastructures import FormData

from service.errors import ConflictingFieldsError, MalformedFormError
from service.exports.formats import read_export
from service.http.bodies import is_raw
from service.http.forms import EXPORT_SCHEMAS, RecordingForm, find_file, make_request, open_parts, read_texts
from service.http.names import refuse_unknown_fields
from service.openai.documents import FORMATS, Granularity, Output, ResponseFormat
from service.openai.names import ALIASES

_T = TypeVar("_T", bound=str)
_TEXTS: Final = ("model", "language", "response_format", "stream", "temperature", "prompt", "speakers")
_GRANULARITIES: Final = "timestamp_granularities"
_WITHOUT_EFFECT: Final = {
    "prompt": "the recogniser accepts no prompt",
    "include": "there are no probabilities of tokens; words have a `score` in verbose_json",
    "chunking_strategy": "speech is detected and cut by the service",
    "keywords": "the recogniser accepts no keywords",
    "languages": "send one `language`",
    "known_speaker_names": "speakers are numbered",
    "known_speaker_references": "speakers are numbered",
}
"""Fields of OpenAI that have no effect here, and the reasons."""
_EMOTIONS: Final = "subtitle_emotions"
_LISTS: Final = (_GRANULARITIES, *(name for name in _WITHOUT_EFFECT if name != "prompt"))
_FIELDS: Final = ("file", *dict.fromkeys((*_TEXTS, _EMOTIONS, *_LISTS)))
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
OPENAI_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "model": {
        "type": "string",
        "description": f"Name of served weights; or {', '.join(ALIASES)}, which stand for the default ones.",
    },
    "response_format": {"type": "string", "enum": list(FORMATS), "default": "json"},
    f"{_GRANULARITIES}[]": {
        "type": "array",
        "items": {"type": "string", "enum": list(get_args(Granularity))},
        "description": "What verbose_json lists.",
    },
    "stream": {"type": "boolean", "default": False, "description": "Server-sent events."},
    "temperature": {"type": "number", "minimum": 0, "maximum": 1, "description": "Has no effect."},
    "prompt": {"type": "string", "description": "Has no effect."},
    _EMOTIONS: EXPORT_SCHEMAS[_EMOTIONS],
}
"""OpenAPI schemas of the fields in addition to `file`, `language` and `speakers`."""


@dataclass(frozen=True, slots=True)
class TranscriptionForm:
    """A request in OpenAI's form.

    Attributes:
        recording: The recording and its request.
        model: Name of the model; empty where it was not sent.
        output: Form of the response.
        stream: Whether the response is a stream of events.
        warnings: Fields without effect.
    """

    recording: RecordingForm
    model: str
    output: Output
    stream: bool
    warnings: tuple[str, ...]


@asynccontextmanager
async def open_transcription_form(http: Request) -> AsyncIterator[TranscriptionForm]:
    """Read a form; on leaving, the recording is closed and its temporary file deleted.

    Raises:
        UnknownNameError: There is no field of that name.
        MalformedFormError: A field cannot be read, or was sent more than once.
        ConflictingFieldsError: Two fields exclude each other.
        HTTPException, RequestValidationError, NoRoomError, ServiceError: See `service.http.forms.open_form`.
    """
    if is_raw(http):
        raise MalformedFormError("the body is no form")
    async with open_parts(http) as form:
        _check_names(form)
        texts = read_texts(form, (*_TEXTS, _EMOTIONS))
        output = _read_output(form, texts)
        stream = _read_stream(texts, output)
        _check_temperature(texts.get("temperature", "0"))
        recording = RecordingForm((find_file(form),), make_request(_request_fields(texts, output)))
        yield TranscriptionForm(recording, texts.get("model", "").strip(), output, stream, _warn(form))


def _base(name: str) -> str:
    """Name without brackets, in which lists and objects are written."""
    return name.partition("[")[0]


def _check_names(form: FormData) -> None:
    names = [name for name, _ in form.multi_items()]
    refuse_unknown_fields([name for name in names if _base(name) not in _LISTS], _FIELDS)
    for name in form:
        if names.count(name) > 1 and _base(name) not in _LISTS:
            raise MalformedFormError(f"`{name}` was sent {names.count(name)} times", "send it once", field=name)


def _read_output(form: FormData, texts: Mapping[str, str]) -> Output:
    kind: ResponseFormat = _choose("response_format", texts.get("response_format", "json"), FORMATS)
    known: tuple[Granularity, ...] = get_args(Granularity)
    given = [value for name, value in form.multi_items() if _base(name) == _GRANULARITIES and value]
    granularities = frozenset(_choose(_GRANULARITIES, str(value), known) for value in given)
    if granularities and kind != "verbose_json":
        raise ConflictingFieldsError(_GRANULARITIES, f"response_format={kind}")
    emotions = texts.get(_EMOTIONS)
    if emotions and kind not in {"srt", "vtt"}:
        raise ConflictingFieldsError(_EMOTIONS, f"response_format={kind}")
    export = read_export({"format": kind, _EMOTIONS: emotions}) if emotions else None
    return Output(kind, granularities, export.emotions if export else "omit")


def _read_stream(texts: Mapping[str, str], output: Output) -> bool:
    value = texts.get("stream", "false").lower()
    if value not in _FLAGS:
        raise MalformedFormError(f"`stream` is {value[:100]!r}", "send true or false", field="stream")
    if _FLAGS[value] and output.format in {"srt", "vtt"}:
        raise ConflictingFieldsError("stream", f"response_format={output.format}")
    return _FLAGS[value]


def _check_temperature(value: str) -> None:
    try:
        valid = 0 <= float(value) <= 1
    except ValueError:
        valid = False
    if not valid:
        raise MalformedFormError(
            f"`temperature` is {value[:100]!r}", "send a number from 0 to 1, or omit it", field="temperature"
        )


def _request_fields(texts: Mapping[str, str], output: Output) -> dict[str, str]:
    """Fields of the analysis; `diarized_json` separates speakers by voice unless channels are requested."""
    fields = {name: texts[name] for name in ("language", "speakers") if name in texts}
    return {"speakers": "diarize"} | fields if output.format == "diarized_json" else fields


def _warn(form: FormData) -> tuple[str, ...]:
    given = dict.fromkeys(_base(name) for name, value in form.multi_items() if value)
    return tuple(f"`{name}` has no effect: {_WITHOUT_EFFECT[name]}" for name in given if name in _WITHOUT_EFFECT)


def _choose(name: str, value: str, known: Collection[_T]) -> _T:
    chosen = next((each for each in known if each == value), None)
    if chosen is None:
        raise MalformedFormError(f"`{name}` is {value[:100]!r}", f"choose from {', '.join(known)}", field=name)
    return chosen
