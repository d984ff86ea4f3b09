"""A recording in, emotions out."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Form, UploadFile
from starlette.responses import Response

from service.dependencies import LifecycleDep
from service.engine import Analysis
from service.fields import read_fields
from service.presentation import present
from service.schemas import Explain, PredictOut, Problem

router = APIRouter(tags=["emotion"])
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}} for status in (400, 413, 415, 422, 503, 504)
}


@router.post("/predict", response_model=PredictOut, responses=_REFUSALS)
async def predict(
    lifecycle: LifecycleDep,
    file: Annotated[UploadFile, File(description="The recording: wav, flac, ogg, mp3, m4a, mp4 or webm.")],
    transcript: Annotated[
        str | None, Form(description="What is said; its words are aligned, nothing recognised.")
    ] = None,
    words: Annotated[
        str | None, Form(description='What is said and when: `[{"word": "hello", "start": 0.31, "end": 0.62}]`.')
    ] = None,
    language: Annotated[str | None, Form(description="ISO 639-1 code.")] = None,
    aligner: Annotated[str | None, Form(description="By name; leave it out for the server's.")] = None,
    explain: Annotated[Explain, Form(description="full: contributions for every class; false: no words.")] = "true",
) -> Response:
    """The emotion of a recording, of each of its utterances, and which words and sounds carried it."""
    request = read_fields(transcript, words, language, aligner)

    def answer(analysis: Analysis) -> str:
        return present(analysis, lifecycle.engine, explain).model_dump_json(exclude_unset=True)

    body = await lifecycle.stages.answer(file.read, request, answer)
    return Response(body, media_type="application/json")
