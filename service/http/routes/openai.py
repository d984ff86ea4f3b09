"""OpenAI's transcription API: POST /v1/audio/transcriptions, GET /v1/models."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import Response

from alignment.aligners.weights.config import DETECT
from alignment.errors import NoSpeechError, SilentAudioError
from service.errors import NoTranslationError
from service.http.dependencies import AppStateDep, OwnerDep
from service.http.disconnect import cancel_on_disconnect
from service.http.exports import WARNING_HEADER
from service.http.forms import describe_form
from service.http.lifecycle import AppState
from service.http.names import refuse_unknown_parameters
from service.http.openai_form import OPENAI_SCHEMAS, TranscriptionForm, open_transcription_form
from service.http.routes.predict import analyse_form
from service.http.sse import MEDIA_TYPE, EventStream
from service.http.warning_header import warning_headers
from service.inference.engine import EmotionEngine
from service.inference.result import AnalysisResult, ScoredUtterance
from service.inference.scheduler import Progress, ProgressListener
from service.openai.documents import (
    MEDIA_TYPES,
    Transcription,
    write_delta,
    write_done,
    write_segment,
    write_transcription,
)
from service.openai.errors import find_param, to_openai_error
from service.openai.names import ALIASES, PREFIX, find_model
from service.openai.schemas import (
    DiarizedTranscriptionOut,
    ModelCardOut,
    ModelListOut,
    OpenAiErrorBody,
    TranscriptionOut,
    VerboseTranscriptionOut,
)
from service.results.problems import to_problem
from service.results.serialisation import to_model, to_response, to_utterance

router = APIRouter(prefix=PREFIX, tags=["openai"], dependencies=[Depends(refuse_unknown_parameters)])
_OWNER: Final = "can-ser"
_DONE: Final = "[DONE]"
_TEXTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()}
        | {MEDIA_TYPE: {}},
        "headers": WARNING_HEADER,
    }
}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": OpenAiErrorBody} for status in statuses}


@router.post(
    "/audio/transcriptions",
    response_model=VerboseTranscriptionOut | DiarizedTranscriptionOut | TranscriptionOut,
    responses=_TEXTS | _errors(400, 401, 403, 404, 408, 413, 429, 503, 504),
    openapi_extra=describe_form(("language", "speakers"), OPENAI_SCHEMAS, raw=False),
)
async def transcribe(http: Request, state: AppStateDep, owner: OwnerDep) -> Response:
    """The words of a recording in OpenAI's form, with the emotions of its utterances as further fields.

    A recording without speech has an empty text. With `stream=true` the response is a stream of server-sent events:
    `transcript.text.delta` for each utterance, as soon as it is scored (and `transcript.text.segment` with
    `diarized_json`), and `transcript.text.done`.
    """
    async with open_transcription_form(http) as form:
        bundle = find_model(form.model, _served(state))
        request = form.recording.request.model_copy(update={"bundle": bundle})
        form = replace(form, recording=replace(form.recording, request=request))
        return await _respond(http, state, form, owner)


@router.post("/audio/translations", responses=_errors(400, 401, 403, 429, 503), response_class=Response)
async def translate() -> Response:
    """Not available: the response is always an error."""
    raise NoTranslationError()


@router.get("/models", responses=_errors(400, 401, 403))
async def list_models(state: AppStateDep) -> ModelListOut:
    """The served weights, and the names of OpenAI's models that stand for them."""
    return ModelListOut(data=[_describe(name, state) for name in (*_served(state), *ALIASES)])


@router.get("/models/{name}", responses=_errors(400, 401, 403, 404))
async def read_model(state: AppStateDep, name: str) -> ModelCardOut:
    """One of the models."""
    return _describe(name, state)


def _served(state: AppState) -> tuple[str, ...]:
    """Names of the served bundles."""
    return tuple(state.engine.by_bundle)


def _describe(name: str, state: AppState) -> ModelCardOut:
    bundle = find_model(name, _served(state))
    engine = state.engine.by_bundle[bundle]
    facts = to_model(engine)
    return ModelCardOut(
        id=name,
        created=_to_timestamp(engine.bundle.config.origin.created),
        owned_by=_OWNER,
        bundle=bundle,
        **facts.model_dump(include={"version", "labels", "licence", "trained_on", "front_end"}),
    )


def _to_timestamp(date: str) -> int:
    """Seconds since 1970 of a date in ISO 8601; 0 for another text."""
    try:
        return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0


async def _respond(http: Request, state: AppState, form: TranscriptionForm, owner: str) -> Response:
    def write(transcription: Transcription) -> _Written:
        text = write_done(transcription) if form.stream else write_transcription(transcription, form.output)
        return _Written(text, transcription.warnings)

    def write_result(result: AnalysisResult) -> _Written:
        response = to_response(result, state.engine)
        warnings = (*form.warnings, *response.warnings)
        return write(Transcription(response, response.audio.duration_s, response.aligner.language, warnings))

    async def analyse(on_progress: ProgressListener | None = None) -> _Written:
        try:
            return await analyse_form(state, form.recording, owner, write_result, on_progress)
        except (NoSpeechError, SilentAudioError) as error:
            requested = form.recording.request.language
            language = state.engine.aligner.language if requested in (None, DETECT) else requested
            return write(Transcription(None, round(error.duration_s, 3), language, (*form.warnings, str(error))))

    async def analyse_to_text(on_progress: ProgressListener) -> str:
        return (await analyse(on_progress)).text

    if form.stream:
        [engine] = state.engine.choose(form.recording.request)
        writer = _Events(engine, http.url.path, diarized=form.output.format == "diarized_json")
        return await cancel_on_disconnect(http, EventStream(analyse_to_text, writer).respond())
    media_type = MEDIA_TYPES.get(form.output.format, "application/json")
    return await cancel_on_disconnect(http, _as_response(analyse, media_type))


@dataclass(frozen=True, slots=True)
class _Written:
    """Body of a response, and its warnings, which texts and most subtitles have no place for."""

    text: str
    warnings: Sequence[str]


async def _as_response(analyse: Callable[[], Awaitable[_Written]], media_type: str) -> Response:
    written = await analyse()
    return Response(written.text, headers=warning_headers(written.warnings), media_type=media_type)


class _Events:
    """Events of a stream in OpenAI's form, which have no names."""

    def __init__(self, engine: EmotionEngine, path: str, *, diarized: bool) -> None:
        self._serialise = partial(to_utterance, engine=engine)
        self._path, self._diarized = path, diarized
        self._number = 0
        self._continues = False

    def progress(self, _: Progress) -> bytes:
        """A comment: OpenAI has no event for progress."""
        return KEEPALIVE_COMMENT

    def utterance(self, scored: ScoredUtterance) -> bytes:
        """`transcript.text.delta`, and the segment where speakers are requested."""
        utterance, number = self._serialise(scored), self._number
        self._number += 1
        if not utterance.text:
            return KEEPALIVE_COMMENT
        event = format_sse_event(data_str=write_delta(utterance, number, continues=self._continues))
        self._continues = True
        return event + format_sse_event(data_str=write_segment(utterance, number)) if self._diarized else event

    def result(self, result: str) -> bytes:
        """`transcript.text.done`."""
        return format_sse_event(data_str=result) + format_sse_event(data_str=_DONE)

    def error(self, error: BaseException) -> bytes:
        """An error after the first event."""
        body = to_openai_error(to_problem(error, self._path), find_param(error))
        return format_sse_event(data_str=body.model_dump_json())
