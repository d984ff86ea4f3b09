"""POST /predict: emotions of a recording."""

from collections.abc import Awaitable
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from can_ser_client.schemas import PredictOut
from service.http.dependencies import AppStateDep, OwnerDep
from service.http.disconnect import cancel_on_disconnect
from service.http.forms import PREDICT_FIELDS, RecordingForm, describe_form, open_form
from service.http.lifecycle import AppState
from service.http.openapi import refusals
from service.http.sse import MEDIA_TYPE, EventStream, accepts_events
from service.inference.result import AnalysisResult, ScoredUtterance
from service.inference.scheduler import ProgressListener
from service.inference.worker_pool import Upload
from service.results.serialisation import to_response, to_utterance

router = APIRouter(tags=["emotion"])
# A response with so many words is written in .8 ms, 1.6 ms with `explain=full`: too little to hand to a thread.
_QUICK_WORDS: Final = 100

_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "description": "Server-sent events."}}}}
}


@router.post(
    "/predict",
    response_model=PredictOut,
    responses=_EVENTS | refusals(400, 401, 403, 408, 413, 415, 422, 429, 503, 504),
    openapi_extra=describe_form(PREDICT_FIELDS),
)
async def predict(http: Request, state: AppStateDep, owner: OwnerDep) -> Response:
    """Emotions of a recording and of each of its utterances, with the contributions of words and sound.

    With `Accept: text/event-stream` the response is a stream of server-sent events: `progress` (`{"stage", "done_s",
    "total_s"}`), `utterance` (an entry of `utterances`, as soon as it is scored), and at the end `result` (the whole
    response) or `error` (a problem document). An error before the first event has its own status, as without events.
    """
    async with open_form(http, PREDICT_FIELDS) as form:
        return await _respond(http, state, form, owner)


async def _respond(http: Request, state: AppState, form: RecordingForm, owner: str) -> Response:
    engine, scheduler, request = state.engine, state.scheduler, form.request
    upload = Upload(form.file.file, form.file.size)

    async def analyse(on_progress: ProgressListener | None = None) -> str:
        with state.requests.hold(owner):
            async with scheduler.admit() as context:
                result = await scheduler.analyse(context, upload, request, on_progress)
                if result.word_count <= _QUICK_WORDS:
                    return write(result)
                return await scheduler.run(context, partial(write, result))

    def write(result: AnalysisResult) -> str:
        return to_response(result, engine, request.explain).model_dump_json(exclude_unset=True)

    def write_utterance(scored: ScoredUtterance) -> str:
        return to_utterance(scored, engine, request.explain).model_dump_json(exclude_unset=True)

    if accepts_events(http):
        return await cancel_on_disconnect(http, EventStream(analyse, write_utterance, http.url.path).respond())
    return await cancel_on_disconnect(http, _as_json(analyse()))


async def _as_json(body: Awaitable[str]) -> Response:
    return Response(await body, media_type="application/json")
