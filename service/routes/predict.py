"""A recording in, emotions out."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import TypeAdapter, ValidationError

from alignment.words import TimedWord
from service.dependencies import LifecycleDep
from service.engine import AnalysisRequest
from service.errors import ConflictingFieldsError, InvalidWordsError, MalformedFormError
from service.presentation import present
from service.schemas import Explain, GivenWord, PredictOut, Problem

router = APIRouter(tags=["emotion"])
_WORDS: Final = TypeAdapter(list[GivenWord])
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}} for status in (400, 413, 415, 422, 503, 504)
}


@router.post("/predict", response_model_exclude_unset=True, responses=_REFUSALS)
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
) -> PredictOut:
    """The emotion of a recording, of each of its utterances, and which words and sounds carried it."""
    lifecycle.require_ready()
    if transcript is not None and words is not None:
        raise ConflictingFieldsError("transcript", "words")
    request = AnalysisRequest(transcript, parse_words(words), language or None, aligner or None)
    analysis = await lifecycle.stages.analyse(await file.read(), request)
    return present(analysis, lifecycle.engine, explain)


def parse_words(text: str | None) -> tuple[TimedWord, ...] | None:
    """Words with times from JSON.

    Raises:
        MalformedFormError: the text is not JSON.
        InvalidWordsError: it is, but of another shape.
    """
    if text is None:
        return None
    try:
        given = _WORDS.validate_json(text)
    except ValidationError as exc:
        [first, *_] = exc.errors()
        if first["type"] == "json_invalid":
            raise MalformedFormError(f"`words` is not JSON ({first['msg']})") from exc
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        raise InvalidWordsError(f"words{place}: {first['msg']}") from exc
    return tuple(TimedWord(word.word, word.start, word.end, "given") for word in given)
