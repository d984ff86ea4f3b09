"""Requests of POST /predict and POST /jobs: a multipart form, or a recording as the body and query parameters.

Forms are read here and not by FastAPI, which inspects the type of each field anew in every request: for eight fields
this takes longer than reading the form, on the event loop (`python -m benchmarks.load` shows it under CPU).
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, ImmutableMultiDict, UploadFile

from service.errors import MalformedFormError, NoRoomError
from service.http.bodies import FILE, FORM_TYPE, RAW_TYPES, is_raw, read_form, read_recording, require_plain
from service.http.names import refuse_parameters, refuse_unknown_fields
from service.inference.request import AnalysisRequest

PREDICT_FIELDS: Final = tuple(AnalysisRequest.model_fields)
JOB_FIELDS: Final = ("words", "language", "aligner", "explain")
_RECORDING: Final = "Recording: wav, flac, ogg, mp3, m4a, mp4 or webm."
_SEVERAL: Final = "Recordings, each in a part named `file`; one is enough. Each becomes a job."
_BINARY: Final = {"type": "string", "format": "binary", "description": _RECORDING}
_AS_BODY: Final = "With the recording as the body; in a form it is a field."


@dataclass(frozen=True, slots=True)
class RecordingForm:
    """Recordings, one unless the route accepts several, and their request."""

    files: tuple[UploadFile, ...]
    request: AnalysisRequest

    @property
    def file(self) -> UploadFile:
        """The first recording."""
        return self.files[0]


@asynccontextmanager
async def open_form(http: Request, fields: Collection[str], max_files: int = 1) -> AsyncIterator[RecordingForm]:
    """Read recordings and their request; on leaving, the recordings are closed and their temporary files deleted.

    Args:
        http: The HTTP request: a form, or the recording as the body and the fields as query parameters.
        fields: Names of the accepted fields, in addition to `file`.
        max_files: Number of recordings that a form may contain.

    Raises:
        HTTPException: The body is not a form.
        EncodedBodyError: The body is compressed.
        MalformedFormError: Its type or its charset cannot be read, or a field was sent more than once, or
            the recording more often than accepted.
        UnknownNameError: There is no field of that name.
        NoRoomError: The disk has no space for the recording.
        RequestValidationError: The recording is missing, or a field is out of bounds.
        ServiceError: See `AnalysisRequest`.
    """
    require_plain(http)
    async with _open_body(http, fields) if is_raw(http) else _open_multipart(http, fields, max_files) as form:
        yield form


@asynccontextmanager
async def _open_body(http: Request, fields: Collection[str]) -> AsyncIterator[RecordingForm]:
    """A recording as the body; its options are checked before it is read."""
    refuse_unknown_fields(http.query_params, fields, "query parameter")
    _check_repetitions(http.query_params)
    request = _read_request(http.query_params, fields, "query")
    async with AsyncExitStack() as opened:
        try:
            file = await opened.enter_async_context(read_recording(http))
        except OSError as exc:
            raise NoRoomError(exc.strerror or "disk") from exc
        if not file.size and "content-type" not in http.headers:
            raise _invalid(FILE, "missing")
        yield RecordingForm((file,), request)


@asynccontextmanager
async def _open_multipart(http: Request, fields: Collection[str], max_files: int) -> AsyncIterator[RecordingForm]:
    refuse_parameters(http)
    try:
        form = await (read_form(http) if max_files == 1 else read_form(http, max_files))
    except UnicodeError as exc:
        raise MalformedFormError(f"the form's charset cannot be read ({exc})", "send UTF-8") from exc
    except OSError as exc:
        raise NoRoomError(exc.strerror or "disk") from exc
    try:
        refuse_unknown_fields(form, (FILE, *fields))
        _check_repetitions(form, max_files)
        files, request = _find_files(form), _read_request(form, fields, "body")
        if len(files) > 1 and request.words is not None:
            raise MalformedFormError(
                f"`words` belong to one recording, and {len(files)} were sent", "send each recording with its own words"
            )
        yield RecordingForm(files, request)
    finally:
        await form.close()


def _check_repetitions(form: ImmutableMultiDict[str, Any], max_files: int = 1) -> None:
    """Refuse repeated fields, of which all but one would have no effect."""
    allowed = {FILE: max_files}
    for name, count in Counter(name for name, _ in form.multi_items()).items():
        if count > allowed.get(name, 1):
            way_out = "send one recording per request" if name == FILE else "send it once"
            raise MalformedFormError(f"`{name}` was sent {count} times", way_out)


def _find_files(form: FormData) -> tuple[UploadFile, ...]:
    values = form.getlist(FILE)
    # Browsers send an unnamed empty file for an empty field.
    files = [value for value in values if isinstance(value, UploadFile) and (value.filename or value.size)]
    if not files or len(files) < len(values):
        raise _invalid(FILE, "not_a_file" if any(value and isinstance(value, str) for value in values) else "missing")
    return tuple(files)


def _read_request(form: ImmutableMultiDict[str, Any], fields: Collection[str], place: str) -> AnalysisRequest:
    given = {name: form[name] for name in fields if form.get(name)}
    for name, value in given.items():
        if not isinstance(value, str):
            raise _invalid(name, "string_type")
    try:
        return AnalysisRequest(**given)
    except ValidationError as exc:
        raise RequestValidationError([{**error, "loc": (place, *error["loc"])} for error in exc.errors()]) from exc


def _invalid(name: str, kind: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": ("body", name), "msg": kind.replace("_", " ")}])


def describe_form(fields: Collection[str], *, several: bool = False) -> dict[str, Any]:
    """OpenAPI description of a form with these fields, or a recording as the body, for `openapi_extra` of a route.

    Args:
        fields: Names of the fields, in addition to `file`.
        several: Whether a form may contain several recordings.
    """
    properties = AnalysisRequest.model_json_schema()["properties"]
    file: dict[str, Any] = {
        "type": "string",
        "contentMediaType": "application/octet-stream",
        "title": "File",
        "description": _RECORDING,
    }
    if several:
        file = {"type": "array", "items": file, "minItems": 1, "title": "File", "description": _SEVERAL}
    schema = {
        "title": "RecordingForm",
        "type": "object",
        "properties": {FILE: file, **{name: properties[name] for name in fields}},
        "required": [FILE],
    }
    content = {FORM_TYPE: {"schema": schema}, **{kind: {"schema": _BINARY} for kind in RAW_TYPES}}
    parameters = [_describe_parameter(name, properties[name]) for name in fields]
    return {"requestBody": {"required": True, "content": content}, "parameters": parameters}


def _describe_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": _AS_BODY, "schema": schema}
