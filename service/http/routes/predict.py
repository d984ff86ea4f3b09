"""POST /predict: emotions of a recording."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from can_ser_client.schemas import PredictOut
from service.errors import ConflictingFieldsError
from service.exports.conversion import WrittenFile, write_file
from service.exports.formats import EXPORT_FIELDS, read_export
from service.http.dependencies import AppStateDep, OwnerDep
from service.http.disconnect import cancel_on_disconnect
from service.http.exports import EXPORTS, WARNING_HEADER, export_response
from service.http.forms import EXPORT_SCHEMAS, PREDICT_FIELDS, RecordingForm, describe_form, open_form
from service.http.lifecycle import AppState
from service.http.openapi import refusals
from service.http.sse import MEDIA_TYPE, EventFormat, EventStream, accepts_events
from service.inference.result import AnalysisResult, ScoredUtterance
from service.inference.scheduler import ProgressListener
from service.inference.worker_pool import Upload
from service.results.serialisation import to_response, to_utterance

_T = TypeVar("_T")
router = APIRouter(tags=["emotion"])
# A response with so many words is written in .8 ms, 1.6 ms with `explain=full`: too little to hand to a thread.
_QUICK_WORDS: Final = 100

_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "description": "Server-sent events."}}} | EXPORTS,
        "headers": WARNING_HEADER,
    }
}


@router.post(
    "/predict",
    response_model=PredictOut,
    responses=_EVENTS | refusals(400, 401, 403, 408, 413, 415, 422, 429, 503, 504),
    openapi_extra=describe_form(PREDICT_FIELDS, EXPORT_SCHEMAS),
)
async def predict(http: Request, state: AppStateDep, owner: OwnerDep) -> Response:
    """Emotions of a recording and of each of its utterances, with the contributions of words and sound.

    With `Accept: text/event-stream` the response is a stream of server-sent events: `progress` (`{"stage", "done_s",
    "total_s"}`), `utterance` (an entry of `utterances`, as soon as it is scored), and at the end `result` (the whole
    response) or `error` (a problem document). An error before the first event has its own status, as without events.

    `format`, or another media type in `Accept`, returns the response as a file: subtitles (SRT, WebVTT), a Praat
    TextGrid, RTTM, CSV or XLSX.
    """
    async with open_form(http, PREDICT_FIELDS, EXPORT_FIELDS) as form:
        return await _respond(http, state, form, owner)


async def _respond(http: Request, state: AppState, form: RecordingForm, owner: str) -> Response:
    engine, request = state.engine, form.request
    events = accepts_events(http)
    export = read_export(form.output, "" if events else http.headers.get("accept", ""))
    if export is not None and events:
        raise ConflictingFieldsError(f"format={export.format}", f"Accept: {MEDIA_TYPE}")

    def write(result: AnalysisResult) -> str:
        return to_response(result, engine, request.explain).model_dump_json(exclude_unset=True)

    def write_utterance(scored: ScoredUtterance) -> str:
        return to_utterance(scored, engine.choose(request)[0], request.explain).model_dump_json(exclude_unset=True)

    if events:
        analyse = partial(analyse_form, state, form, owner, write)
        stream = EventStream(analyse, EventFormat(write_utterance, http.url.path))
        return await cancel_on_disconnect(http, stream.respond())
    if export is None:
        return await cancel_on_disconnect(http, _as_json(analyse_form(state, form, owner, write)))

    def write_exported(result: AnalysisResult) -> WrittenFile:
        return write_file(to_response(result, engine, request.explain), export, form.name)

    written = analyse_form(state, form, owner, write_exported, quick_words=0)
    return await cancel_on_disconnect(http, export_response(written, export, form.name))


async def analyse_form(
    state: AppState,
    form: RecordingForm,
    owner: str,
    write: Callable[[AnalysisResult], _T],
    on_progress: ProgressListener | None = None,
    *,
    quick_words: int = _QUICK_WORDS,
) -> _T:
    """Analyse the recording of a form within the limits of the service, and write the result.

    Args:
        state: State of the application.
        form: The recording and its request.
        owner: Name of the API key.
        write: Writes the result.
        on_progress: See `Scheduler.analyse`.
        quick_words: Results with more words are written in a thread.

    Raises:
        CanSerError: See `Scheduler.analyse`; or a limit of requests is reached.
    """
    scheduler = state.scheduler
    upload = Upload(form.file.file, form.file.size)
    with state.requests.hold(owner):
        async with scheduler.admit() as context:
            result = await scheduler.analyse(context, upload, form.request, on_progress)
            if result.word_count <= quick_words:
                return write(result)
            return await scheduler.run(context, partial(write, result))


async def _as_json(body: Awaitable[str]) -> Response:
    return Response(await body, media_type="application/json")
