"""Multipart forms of POST /predict and POST /jobs.

They are read here and not by FastAPI, which inspects the type of each field anew in every request: for eight fields
this takes longer than reading the form, on the event loop (`python -m benchmarks.load` shows it under CPU).
"""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from can_ser_client.fields import SubtitleEmotions
from service.errors import MalformedFormError, NoRoomError
from service.exports.formats import FORMAT_NAMES
from service.http.names import refuse_unknown_fields
from service.inference.request import AnalysisRequest

PREDICT_FIELDS: Final = tuple(AnalysisRequest.model_fields)
EXPORT_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "format": {
        "type": "string",
        "enum": list(FORMAT_NAMES),
        "default": "json",
        "description": "What the response is written as; without this field, the Accept header counts.",
    },
    "subtitle_emotions": {
        "type": "string",
        "enum": list(get_args(SubtitleEmotions)),
        "default": "omit",
        "description": "prefix: subtitles begin with the emotion, as in [angry]; class: WebVTT has it as <c.angry>.",
    },
}
"""OpenAPI schemas of `service.exports.formats.EXPORT_FIELDS`."""
JOB_FIELDS: Final = ("words", "language", "aligner", "explain")
_FILE: Final = "file"
_RECORDING: Final = "Recording: wav, flac, ogg, mp3, m4a, mp4 or webm."
# More than there are, so that a wrong field gets a message of its own; every text is held in memory.
_MAX_FIELDS: Final = 16
_MAX_FILES: Final = 8
_MAX_TEXT_BYTES: Final = 1_048_576
_MEDIA_TYPE: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class RecordingForm:
    """A recording and its request.

    Attributes:
        file: The recording.
        request: What is known about it.
        output: Fields about the form of the response, where they were sent.
    """

    file: UploadFile
    request: AnalysisRequest
    output: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the recording, as the client sent it."""
        return self.file.filename or ""


@asynccontextmanager
async def open_form(
    http: Request, fields: Collection[str], output_fields: Collection[str] = ()
) -> AsyncIterator[RecordingForm]:
    """Read a form; on leaving, the recording is closed and its temporary file deleted.

    Args:
        http: The HTTP request.
        fields: Names of the accepted fields of the request, in addition to `file`.
        output_fields: Names of the accepted fields about the response.

    Raises:
        UnknownNameError: There is no field of that name.
        RequestValidationError: The recording is missing, or a field is out of bounds.
        ServiceError: See `AnalysisRequest`.
        HTTPException, MalformedFormError, NoRoomError: See `open_parts`; or a field was sent more than once.
    """
    async with open_parts(http) as form:
        _check_names(form, (*fields, *output_fields))
        yield RecordingForm(find_file(form), _read_request(form, fields), read_texts(form, output_fields))


@asynccontextmanager
async def open_parts(http: Request) -> AsyncIterator[FormData]:
    """Read the parts of a form within its limits; on leaving, its temporary files are deleted.

    Raises:
        HTTPException: The body is not a form.
        MalformedFormError: Its charset cannot be read.
        NoRoomError: The disk has no space for the recording.
    """
    try:
        form = await http.form(max_fields=_MAX_FIELDS, max_files=_MAX_FILES, max_part_size=_MAX_TEXT_BYTES)
    except UnicodeError as exc:
        raise MalformedFormError(f"the form's charset cannot be read ({exc})", "send UTF-8") from exc
    except OSError as exc:
        raise NoRoomError(exc.strerror or "disk") from exc
    try:
        yield form
    finally:
        await form.close()


def _check_names(form: FormData, fields: Collection[str]) -> None:
    """Refuse unknown and repeated fields, which would have no effect."""
    refuse_unknown_fields(form, (_FILE, *fields))
    names = [name for name, _ in form.multi_items()]
    if len(names) > len(form):
        name = next(name for name in form if names.count(name) > 1)
        way_out = "send one recording per request" if name == _FILE else "send it once"
        raise MalformedFormError(f"`{name}` was sent {names.count(name)} times", way_out)


def find_file(form: FormData) -> UploadFile:
    """The recording of a form.

    Raises:
        RequestValidationError: There is none, or it was sent as text.
    """
    value = form.get(_FILE)
    if isinstance(value, UploadFile) and (value.filename or value.size):
        return value
    # Browsers send an unnamed empty file for an empty field.
    raise _invalid(_FILE, "not_a_file" if value and isinstance(value, str) else "missing")


def _read_request(form: FormData, fields: Collection[str]) -> AnalysisRequest:
    return make_request(read_texts(form, fields))


def read_texts(form: FormData, names: Collection[str]) -> dict[str, str]:
    """Text fields of a form that are not empty.

    Raises:
        RequestValidationError: One was sent as a file.
    """
    texts = {}
    for name in names:
        value = form.get(name)
        if isinstance(value, UploadFile):
            raise _invalid(name, "string_type")
        if value:
            texts[name] = value
    return texts


def make_request(fields: Mapping[str, str]) -> AnalysisRequest:
    """The request of text fields.

    Raises:
        RequestValidationError: A field is out of bounds.
        ServiceError: See `AnalysisRequest`.
    """
    try:
        return AnalysisRequest.model_validate(fields)
    except ValidationError as exc:
        raise RequestValidationError([{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]) from exc


def _invalid(name: str, kind: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": ("body", name), "msg": kind.replace("_", " ")}])


def describe_form(fields: Collection[str], others: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """OpenAPI description of a form, for `openapi_extra` of a route.

    Args:
        fields: Names of fields of the request.
        others: Schemas of further fields, by name.
    """
    properties = AnalysisRequest.model_json_schema()["properties"]
    file = {
        "type": "string",
        "contentMediaType": "application/octet-stream",
        "title": "File",
        "description": _RECORDING,
    }
    schema = {
        "title": "RecordingForm",
        "type": "object",
        "properties": {"file": file, **{name: properties[name] for name in fields}, **(others or {})},
        "required": ["file"],
    }
    return {"requestBody": {"required": True, "content": {_MEDIA_TYPE: {"schema": schema}}}}
