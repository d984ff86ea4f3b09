"""Requests of POST /predict and POST /jobs: a multipart form, or a recording as the body and query parameters.

Forms are read here and not by FastAPI, which inspects the type of each field anew in every request: for eight fields
this takes longer than reading the form, on the event loop (`python -m benchmarks.load` shows it under CPU).
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, ImmutableMultiDict, UploadFile

from can_ser_client.fields import SubtitleEmotions
from service.errors import MalformedFormError, NoRoomError
from service.exports.formats import FORMAT_NAMES
from service.http.bodies import FILE, FORM_TYPE, RAW_TYPES, SEVERAL_WAY_OUT, is_raw, read_form, read_recording
from service.http.names import refuse_parameters, refuse_unknown_fields
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
JOB_FIELDS: Final = ("words", "language", "aligner", "bundle", "explain")
CALLBACK: Final = "callback"
CALLBACK_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string"}, {"type": "null"}],
    "default": None,
    "title": "Callback",
    "description": "Address to which a signed message is sent when the job has ended.",
}
_RECORDING: Final = "Recording: wav, flac, ogg, mp3, m4a, mp4 or webm."
_SEVERAL: Final = "Recordings, each in a part named `file`; one is enough. Each becomes a job."
_BINARY: Final = {"type": "string", "format": "binary", "description": _RECORDING}
_AS_BODY: Final = "With the recording as the body; in a form it is a field."


@dataclass(frozen=True, slots=True)
class RecordingForm:
    """Recordings and their request.

    Attributes:
        files: The recordings, one unless the route accepts several.
        request: What is known about them.
        output: Other fields, where they were sent: about the form of the response, or the callback of a job.
    """

    files: tuple[UploadFile, ...]
    request: AnalysisRequest
    output: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the recording, as the client sent it."""
        return self.file.filename or ""

    @property
    def file(self) -> UploadFile:
        """The first recording."""
        return self.files[0]


@asynccontextmanager
async def open_form(
    http: Request, fields: Collection[str], output_fields: Collection[str] = (), max_files: int = 1
) -> AsyncIterator[RecordingForm]:
    """Read recordings and their request; on leaving, the recordings are closed and their temporary files deleted.

    Args:
        http: The HTTP request: a form, or the recording as the body and the fields as query parameters.
        fields: Names of the accepted fields of the request, in addition to `file`.
        output_fields: Names of the accepted other fields.
        max_files: Number of recordings that a form may contain.

    Raises:
        MalformedFormError: A field was sent more than once, or the recording more often than accepted; or see
            `open_parts`.
        UnknownNameError: There is no field of that name.
        RequestValidationError: The recording is missing, or a field is out of bounds.
        ServiceError: See `AnalysisRequest`.
        HTTPException, NoRoomError: See `open_parts`.
    """
    if is_raw(http):
        opening = _open_body(http, fields, output_fields)
    else:
        opening = _open_multipart(http, fields, output_fields, max_files)
    async with opening as form:
        yield form


@asynccontextmanager
async def _open_body(
    http: Request, fields: Collection[str], output_fields: Collection[str]
) -> AsyncIterator[RecordingForm]:
    """A recording as the body; its options are checked before it is read."""
    refuse_unknown_fields(http.query_params, (*fields, *output_fields), "query parameter")
    _check_repetitions(http.query_params)
    request = make_request(read_texts(http.query_params, fields), "query")
    async with AsyncExitStack() as opened:
        try:
            file = await opened.enter_async_context(read_recording(http))
        except OSError as exc:
            raise NoRoomError(exc.strerror or "disk") from exc
        if not file.size and "content-type" not in http.headers:
            raise _invalid(FILE, "missing")
        yield RecordingForm((file,), request, read_texts(http.query_params, output_fields))


@asynccontextmanager
async def _open_multipart(
    http: Request, fields: Collection[str], output_fields: Collection[str], max_files: int
) -> AsyncIterator[RecordingForm]:
    refuse_parameters(http)
    async with open_parts(http, max_files) as form:
        refuse_unknown_fields(form, (FILE, *fields, *output_fields))
        _check_repetitions(form, max_files)
        files, request = find_files(form), make_request(read_texts(form, fields))
        if len(files) > 1 and request.words is not None:
            raise MalformedFormError(
                f"`words` belong to one recording, and {len(files)} were sent", "send each recording with its own words"
            )
        yield RecordingForm(files, request, read_texts(form, output_fields))


@asynccontextmanager
async def open_parts(http: Request, max_files: int = 1) -> AsyncIterator[FormData]:
    """Read the parts of a form within its limits; on leaving, its temporary files are deleted.

    Args:
        http: The HTTP request.
        max_files: Number of recordings that the form may contain.

    Raises:
        HTTPException: The body is not a form.
        MalformedFormError: Its type or its charset cannot be read.
        NoRoomError: The disk has no space for the recording.
    """
    try:
        form = await read_form(http, max_files)
    except UnicodeError as exc:
        raise MalformedFormError(f"the form's charset cannot be read ({exc})", "send UTF-8") from exc
    except OSError as exc:
        raise NoRoomError(exc.strerror or "disk") from exc
    try:
        yield form
    finally:
        await form.close()


def _check_repetitions(form: ImmutableMultiDict[str, Any], max_files: int = 1) -> None:
    """Refuse repeated fields, of which all but one would have no effect, and too many recordings."""
    for name, count in Counter(name for name, _ in form.multi_items()).items():
        if name == FILE and max_files > 1:
            if count > max_files:
                raise MalformedFormError(f"the form has more than {max_files} files", SEVERAL_WAY_OUT)
        elif count > 1:
            way_out = "send one recording per request" if name == FILE else "send it once"
            raise MalformedFormError(f"`{name}` was sent {count} times", way_out)


def find_file(form: FormData) -> UploadFile:
    """The recording of a form.

    Raises:
        RequestValidationError: There is none, or it was sent as text.
    """
    return find_files(form)[0]


def find_files(form: FormData) -> tuple[UploadFile, ...]:
    """The recordings of a form, at least one.

    Raises:
        RequestValidationError: There is none, or one was sent as text.
    """
    values = form.getlist(FILE)
    # Browsers send an unnamed empty file for an empty field.
    files = [value for value in values if isinstance(value, UploadFile) and (value.filename or value.size)]
    if not files or len(files) < len(values):
        raise _invalid(FILE, "not_a_file" if any(value and isinstance(value, str) for value in values) else "missing")
    return tuple(files)


def read_texts(form: ImmutableMultiDict[str, Any], names: Collection[str]) -> dict[str, str]:
    """Text fields of a form, or query parameters, that are not empty.

    Raises:
        RequestValidationError: One was sent as a file.
    """
    given = {name: form[name] for name in names if form.get(name)}
    for name, value in given.items():
        if not isinstance(value, str):
            raise _invalid(name, "string_type")
    return given


def make_request(fields: Mapping[str, str], place: str = "body") -> AnalysisRequest:
    """The request of text fields.

    Args:
        fields: The fields.
        place: Where they were sent: "body" or "query".

    Raises:
        RequestValidationError: A field is out of bounds.
        ServiceError: See `AnalysisRequest`.
    """
    try:
        return AnalysisRequest.model_validate(fields)
    except ValidationError as exc:
        raise RequestValidationError([{**error, "loc": (place, *error["loc"])} for error in exc.errors()]) from exc


def _invalid(name: str, kind: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": ("body", name), "msg": kind.replace("_", " ")}])


def describe_form(
    fields: Collection[str],
    others: Mapping[str, dict[str, Any]] | None = None,
    *,
    raw: bool = True,
    several: bool = False,
) -> dict[str, Any]:
    """OpenAPI description of a form, or a recording as the body, for `openapi_extra` of a route.

    Args:
        fields: Names of fields of the request.
        others: Schemas of further fields, by name.
        raw: Whether a recording as the body is accepted.
        several: Whether a form may contain several recordings.
    """
    known = AnalysisRequest.model_json_schema()["properties"]
    properties = {name: known[name] for name in fields} | dict(others or {})
    file: dict[str, Any] = {
        "type": "string",
        "contentMediaType": "application/octet-stream",
        "title": "File",
        "description": _RECORDING,
    }
    if several:
        file = {"type": "array", "items": file, "minItems": 1, "title": "File", "description": _SEVERAL}
    schema = {"title": "RecordingForm", "type": "object", "properties": {FILE: file, **properties}, "required": [FILE]}
    content: dict[str, Any] = {FORM_TYPE: {"schema": schema}}
    if not raw:
        return {"requestBody": {"required": True, "content": content}}
    content |= {kind: {"schema": _BINARY} for kind in RAW_TYPES}
    parameters = [_describe_parameter(name, schema) for name, schema in properties.items()]
    return {"requestBody": {"required": True, "content": content}, "parameters": parameters}


def _describe_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": _AS_BODY, "schema": schema}
