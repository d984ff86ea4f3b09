"""Multipart forms of POST /predict and POST /jobs.

They are read here and not by FastAPI, which inspects the type of each field anew in every request: for eight fields
this takes longer than reading the form, on the event loop (`python -m benchmarks.load` shows it under CPU).
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from service.errors import MalformedFormError, NoRoomError
from service.http.names import refuse_unknown_fields
from service.inference.request import AnalysisRequest

PREDICT_FIELDS: Final = tuple(AnalysisRequest.model_fields)
CALLBACK: Final = "callback"
JOB_FIELDS: Final = ("words", "language", "aligner", "explain", CALLBACK)
_FILE: Final = "file"
_RECORDING: Final = "Recording: wav, flac, ogg, mp3, m4a, mp4 or webm."
# More than there are, so that a wrong field gets a message of its own; every text is held in memory.
_MAX_FIELDS: Final = 16
_MAX_FILES: Final = 8
_MAX_TEXT_BYTES: Final = 1_048_576
_MEDIA_TYPE: Final = "multipart/form-data"
_CALLBACK_SCHEMA: Final = {
    "anyOf": [{"type": "string"}, {"type": "null"}],
    "default": None,
    "title": "Callback",
    "description": "Address to which a signed message is sent when the job has ended.",
}


@dataclass(frozen=True, slots=True)
class RecordingForm:
    """A recording and its request.

    Attributes:
        file: The recording.
        request: The fields of the analysis.
        callback: Address that a job reports its end to.
    """

    file: UploadFile
    request: AnalysisRequest
    callback: str | None = None


@asynccontextmanager
async def open_form(http: Request, fields: Collection[str]) -> AsyncIterator[RecordingForm]:
    """Read a form; on leaving, the recording is closed and its temporary file deleted.

    Args:
        http: The HTTP request.
        fields: Names of the accepted fields, in addition to `file`.

    Raises:
        HTTPException: The body is not a form.
        MalformedFormError: Its charset cannot be read, or a field or the recording was sent more than once.
        UnknownNameError: There is no field of that name.
        NoRoomError: The disk has no space for the recording.
        RequestValidationError: The recording is missing, or a field is out of bounds.
        ServiceError: See `AnalysisRequest`.
    """
    try:
        form = await http.form(max_fields=_MAX_FIELDS, max_files=_MAX_FILES, max_part_size=_MAX_TEXT_BYTES)
    except UnicodeError as exc:
        raise MalformedFormError(f"the form's charset cannot be read ({exc})", "send UTF-8") from exc
    except OSError as exc:
        raise NoRoomError(exc.strerror or "disk") from exc
    try:
        _check_names(form, fields)
        yield RecordingForm(_find_file(form), _read_request(form, fields), _read_callback(form))
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


def _find_file(form: FormData) -> UploadFile:
    value = form.get(_FILE)
    if isinstance(value, UploadFile) and (value.filename or value.size):
        return value
    # Browsers send an unnamed empty file for an empty field.
    raise _invalid(_FILE, "not_a_file" if value and isinstance(value, str) else "missing")


def _read_callback(form: FormData) -> str | None:
    value = form.get(CALLBACK) or ""
    if not isinstance(value, str):
        raise _invalid(CALLBACK, "string_type")
    return value.strip() or None


def _read_request(form: FormData, fields: Collection[str]) -> AnalysisRequest:
    given = {name: form[name] for name in fields if name != CALLBACK and form.get(name)}
    for name, value in given.items():
        if not isinstance(value, str):
            raise _invalid(name, "string_type")
    try:
        return AnalysisRequest(**given)
    except ValidationError as exc:
        raise RequestValidationError([{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]) from exc


def _invalid(name: str, kind: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": ("body", name), "msg": kind.replace("_", " ")}])


def describe_form(fields: Collection[str]) -> dict[str, Any]:
    """OpenAPI description of a form with these fields, for `openapi_extra` of a route."""
    properties = AnalysisRequest.model_json_schema()["properties"] | {CALLBACK: _CALLBACK_SCHEMA}
    file = {
        "type": "string",
        "contentMediaType": "application/octet-stream",
        "title": "File",
        "description": _RECORDING,
    }
    schema = {
        "title": "RecordingForm",
        "type": "object",
        "properties": {"file": file, **{name: properties[name] for name in fields}},
        "required": ["file"],
    }
    return {"requestBody": {"required": True, "content": {_MEDIA_TYPE: {"schema": schema}}}}
