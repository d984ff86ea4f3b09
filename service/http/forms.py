"""The form of POST /predict.

It is read here and not by FastAPI, which looks at each field's type anew in every request: for eight fields that takes
longer than reading the form does, on the event loop (`python -m benchmarks.load` shows it under CPU).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

from fastapi import Request, UploadFile
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData

from service.errors import MalformedFormError, NoRoomError
from service.inference.result import Speakers
from service.results.schemas import Explain

RECORDING: Final = "The recording: wav, flac, ogg, mp3, m4a, mp4 or webm."
WORDS: Final = 'What is said and when: `[{"word": "hello", "start": 0.31, "end": 0.62}]`.'
LANGUAGE: Final = "ISO 639-1 code."
NAME_LETTERS: Final = 100
"""Longest name of a language or an aligner."""
ALIGNER: Final = "By name; leave it out for the server's."
SPEAKERS: Final = "channels: one speaker on each channel, as calls are recorded; diarize: told apart by voice."
SEGMENTS: Final = 'Where somebody speaks, in place of detection: `[{"start": 0.3, "end": 2.6}]`.'
EXPLAIN: Final = "full: contributions for every class; false: no words."
MAX_FIELDS: Final = 16
MAX_FILES: Final = 8
MAX_TEXT_BYTES: Final = 1_048_576
"""More than there are, so that a wrong one gets a message of its own; every text is held in memory."""
_MEDIA_TYPE: Final = "multipart/form-data"


class PredictForm(BaseModel):
    """What POST /predict takes."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    file: Annotated[UploadFile, Field(description=RECORDING)]
    transcript: Annotated[str | None, Field(description="What is said; its words are aligned, nothing recognised.")] = (
        None
    )
    words: Annotated[str | None, Field(description=WORDS)] = None
    language: Annotated[str | None, Field(description=LANGUAGE, max_length=NAME_LETTERS)] = None
    aligner: Annotated[str | None, Field(description=ALIGNER, max_length=NAME_LETTERS)] = None
    speakers: Annotated[Speakers | None, Field(description=SPEAKERS)] = None
    segments: Annotated[str | None, Field(description=SEGMENTS)] = None
    explain: Annotated[Explain, Field(description=EXPLAIN)] = "true"


@asynccontextmanager
async def open_predict_form(request: Request) -> AsyncIterator[PredictForm]:
    """The fields; an empty one counts as left out. The recording is closed, and its file gone, on leaving.

    Raises:
        HTTPException: what came is no form.
        MalformedFormError: its charset cannot be read.
        NoRoomError: the disk has no room for the recording.
        RequestValidationError: a field is missing or makes no sense.
    """
    try:
        form = await request.form(max_fields=MAX_FIELDS, max_files=MAX_FILES, max_part_size=MAX_TEXT_BYTES)
    except UnicodeError as exc:
        raise MalformedFormError(f"the form's charset cannot be read ({exc})", "send UTF-8") from exc
    except OSError as exc:
        raise NoRoomError(exc.strerror or "disk") from exc
    try:
        yield _validate(form)
    finally:
        await form.close()


def _validate(form: FormData) -> PredictForm:
    given = {name: value for name, value in form.items() if value and not _is_no_file(value)}
    try:
        return PredictForm.model_validate(given)
    except ValidationError as exc:
        raise RequestValidationError([{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]) from exc


def _is_no_file(value: Any) -> bool:
    """What a browser sends for a file field that nobody filled in."""
    return not isinstance(value, str) and not value.filename and not value.size


def describe_form(model: type[BaseModel]) -> dict[str, Any]:
    """The form in OpenAPI's words, for a route's `openapi_extra`."""
    return {"requestBody": {"required": True, "content": {_MEDIA_TYPE: {"schema": model.model_json_schema()}}}}
