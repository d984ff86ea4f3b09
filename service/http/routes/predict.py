"""A recording in, emotions out."""

from collections.abc import Awaitable
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.http.dependencies import AppStateDep
from service.http.disconnect import unless_gone, wants_events
from service.http.forms import PredictForm, describe_form, open_predict_form
from service.http.lifecycle import AppState
from service.http.openapi import refusals
from service.http.sse import MEDIA_TYPE, EventStream
from service.inference.request import read_fields
from service.inference.result import Analysis, ScoredUtterance
from service.inference.scheduler import Observer
from service.results.schemas import PredictOut
from service.results.serialisation import present, present_utterance

router = APIRouter(tags=["emotion"])


_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "description": "Server-sent events."}}}}
}


@router.post(
    "/predict",
    response_model=PredictOut,
    responses=_EVENTS | refusals(400, 401, 408, 413, 415, 422, 429, 503, 504),
    openapi_extra=describe_form(PredictForm),
)
async def predict(http: Request, lifecycle: AppStateDep) -> Response:
    """The emotion of a recording, of each of its utterances, and which words and sounds carried it.

    With `Accept: text/event-stream` the answer comes as server-sent events: `progress` (`{"stage", "done_s",
    "total_s"}`), `utterance` (an entry of `utterances`, as soon as it is scored), and at the end `result` (the whole
    answer) or `error` (a problem document). What is refused before the first event has its own status, as without.
    """
    async with open_predict_form(http) as form:
        return await _answer(http, lifecycle, form)


async def _answer(http: Request, lifecycle: AppState, form: PredictForm) -> Response:
    request = read_fields(form.transcript, form.words, form.language, form.aligner, form.speakers, form.segments)
    engine, stages = lifecycle.engine, lifecycle.stages

    def write(analysis: Analysis) -> str:
        return present(analysis, engine, form.explain).model_dump_json(exclude_unset=True)

    async def answer(observe: Observer | None = None) -> str:
        async with stages.admit() as visit:
            return await stages.answer(visit, form.file.file.read, request, write, observe, form.file.size)

    def show(scored: ScoredUtterance) -> str:
        return present_utterance(scored, engine.bundle, form.explain).model_dump_json(exclude_unset=True)

    if wants_events(http):
        return await unless_gone(http, EventStream(answer, show, http.url.path).respond())
    return await unless_gone(http, _respond(answer()))


async def _respond(answer: Awaitable[str]) -> Response:
    return Response(await answer, media_type="application/json")
