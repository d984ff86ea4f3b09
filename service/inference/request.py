"""The fields of a request, from a form or a command line, to what the engine takes."""

from typing import Annotated, Final, TypeVar

from pydantic import FailFast, TypeAdapter, ValidationError

from alignment.timing import Seconds
from alignment.transcripts.words import TimedWord
from service.errors import ConflictingFieldsError, InvalidSegmentsError, InvalidWordsError, MalformedFormError
from service.inference.result import AnalysisRequest, Speakers
from service.results.schemas import GivenSegment, GivenWord

_T = TypeVar("_T")
# A megabyte of JSON holds half a million mistakes; the first one is told.
_WORDS: Final = TypeAdapter(Annotated[list[GivenWord], FailFast()])
_SEGMENTS: Final = TypeAdapter(Annotated[list[GivenSegment], FailFast()])
_EXCLUSIVE: Final = (
    ("transcript", "words"),
    ("transcript", "speakers"),
    ("words", "speakers"),
    ("words", "segments"),
    ("segments", "speakers"),
)


def read_fields(
    transcript: str | None,
    words: str | None,
    language: str | None = None,
    aligner: str | None = None,
    speakers: Speakers | None = None,
    segments: str | None = None,
) -> AnalysisRequest:
    """A request; a blank field counts as one that was left out.

    Args:
        transcript: what is said.
        words: JSON, a list of words with times.
        language: ISO 639-1 code.
        aligner: by name.
        speakers: "channels" for one speaker on each channel, "diarize" to tell them apart by voice; words are to be
            recognised.
        segments: JSON, a list of stretches of speech, in place of detection.

    Raises:
        ConflictingFieldsError: two fields are given that exclude each other.
        MalformedFormError: a field is no text, or `words` or `segments` is no JSON.
        InvalidWordsError, InvalidSegmentsError: it is JSON of another shape.
    """
    fields = {"transcript": transcript, "words": words, "language": language, "aligner": aligner, "segments": segments}
    for name, value in fields.items():
        _check_text(name, value or "")
    given = {name: value for name, value in fields.items() if value and value.strip()}
    present = {*given, "speakers"} if speakers else {*given}
    for first, second in _EXCLUSIVE:
        if {first, second} <= present:
            raise ConflictingFieldsError(first, second)
    return AnalysisRequest(
        given.get("transcript"),
        parse_words(given.get("words")),
        given.get("language"),
        given.get("aligner"),
        speakers,
        parse_segments(given.get("segments")),
    )


def parse_words(text: str | None) -> tuple[TimedWord, ...] | None:
    """Words with times from JSON; see `read_fields`."""
    if text is None:
        return None
    given = _parse("words", text, _WORDS, InvalidWordsError)
    return tuple(TimedWord(word.word, word.start, word.end, "given") for word in given)


def parse_segments(text: str | None) -> tuple[tuple[Seconds, Seconds], ...]:
    """Stretches of speech from JSON; see `read_fields`."""
    if text is None:
        return ()
    return tuple((each.start, each.end) for each in _parse("segments", text, _SEGMENTS, InvalidSegmentsError))


def _parse(
    name: str, text: str, adapter: TypeAdapter[list[_T]], refusal: type[InvalidWordsError | InvalidSegmentsError]
) -> list[_T]:
    try:
        return adapter.validate_json(text)
    except ValidationError as exc:
        [first, *_] = exc.errors()
        if first["type"] == "json_invalid":
            raise MalformedFormError(f"`{name}` is not JSON ({first['msg']})", refusal.way_out) from exc
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        raise refusal(f"{name}{place}: {first['msg']}") from exc


def _check_text(name: str, value: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise MalformedFormError(f"`{name}` holds something that is no character ({exc.reason})", "send UTF-8") from exc
