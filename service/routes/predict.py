"""A recording in, emotions out."""

from collections.abc import Awaitable
from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Form, Request, UploadFile
from starlette.responses import Response

from service.analysis import Analysis, ScoredUtterance, Speakers
from service.connection import unless_gone, wants_events
from service.dependencies import LifecycleDep
from service.event_stream import MEDIA_TYPE, EventStream
from service.fields import read_fields
from service.openapi import refusals
from service.presentation import present, present_utterance
from service.schemas import Explain, PredictOut
from service.stages import Observer

router = APIRouter(tags=["emotion"])
RECORDING: Final = "The recording: wav, flac, ogg, mp3, m4a, mp4 or webm."
WORDS: Final = 'What is said and when: `[{"word": "hello", "start": 0.31, "end": 0.62}]`.'
LANGUAGE: Final = "ISO 639-1 code."
NAME_LETTERS: Final = 100
ALIGNER: Final = "By name; leave it out for the server's."
SPEAKERS: Final = "channels: one speaker on each channel of the recording, as calls are recorded."
SEGMENTS: Final = 'Where somebody speaks, in place of detection: `[{"start": 0.3, "end": 2.6}]`.'
EXPLAIN: Final = "full: contributions for every class; false: no words."


_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "description": "Server-sent events."}}}}
}


@router.post(
    "/predict", response_model=PredictOut, responses=_EVENTS | refusals(400, 401, 408, 413, 415, 422, 429, 503, 504)
)
async def predict(
    http: Request,
    lifecycle: LifecycleDep,
    file: Annotated[UploadFile, File(description=RECORDING)],
    transcript: Annotated[
        str | None, Form(description="What is said; its words are aligned, nothing recognised.")
    ] = None,
    words: Annotated[str | None, Form(description=WORDS)] = None,
    language: Annotated[str | None, Form(description=LANGUAGE, max_length=NAME_LETTERS)] = None,
    aligner: Annotated[str | None, Form(description=ALIGNER, max_length=NAME_LETTERS)] = None,
    speakers: Annotated[Speakers | None, Form(description=SPEAKERS)] = None,
    segments: Annotated[str | None, Form(description=SEGMENTS)] = None,
    explain: Annotated[Explain, Form(description=EXPLAIN)] = "true",
) -> Response:
    """The emotion of a recording, of each of its utterances, and which words and sounds carried it.

    With `Accept: text/event-stream` the answer comes as server-sent events: `progress` (`{"stage", "done_s",
    "total_s"}`), `utterance` (an entry of `utterances`, as soon as it is scored), and at the end `result` (the whole
    answer) or `error` (a problem document). What is refused before the first event has its own status, as without.
    """
    request = read_fields(transcript, words, language, aligner, speakers, segments)
    engine, stages = lifecycle.engine, lifecycle.stages

    def write(analysis: Analysis) -> str:
        return present(analysis, engine, explain).model_dump_json(exclude_unset=True)

    async def answer(observe: Observer | None = None) -> str:
        async with stages.admit() as visit:
            return await stages.answer(visit, file.file.read, request, write, observe)

    def show(scored: ScoredUtterance) -> str:
        return present_utterance(scored, engine.bundle, explain).model_dump_json(exclude_unset=True)

    if wants_events(http):
        return await unless_gone(http, EventStream(answer, show, http.url.path).respond())
    return await unless_gone(http, _respond(answer()))


async def _respond(answer: Awaitable[str]) -> Response:
    return Response(await answer, media_type="application/json")
