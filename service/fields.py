"""The fields of a request, from a form or a command line, to what the engine takes."""

from typing import Final

from pydantic import TypeAdapter, ValidationError

from alignment.words import TimedWord
from service.engine import AnalysisRequest
from service.errors import ConflictingFieldsError, InvalidWordsError, MalformedFormError
from service.schemas import GivenWord

_WORDS: Final = TypeAdapter(list[GivenWord])


def read_fields(
    transcript: str | None, words: str | None, language: str | None = None, aligner: str | None = None
) -> AnalysisRequest:
    """A request; a blank field counts as one that was left out.

    Args:
        transcript: what is said.
        words: JSON, a list of words with times.
        language: ISO 639-1 code.
        aligner: by name.

    Raises:
        ConflictingFieldsError: both transcript and words are given.
        MalformedFormError: a field is no text, or `words` is no JSON.
        InvalidWordsError: `words` is JSON of another shape.
    """
    fields = {"transcript": transcript, "words": words, "language": language, "aligner": aligner}
    for name, value in fields.items():
        _check_text(name, value or "")
    given = {name: value for name, value in fields.items() if value and value.strip()}
    if "transcript" in given and "words" in given:
        raise ConflictingFieldsError("transcript", "words")
    return AnalysisRequest(
        given.get("transcript"), parse_words(given.get("words")), given.get("language"), given.get("aligner")
    )


def parse_words(text: str | None) -> tuple[TimedWord, ...] | None:
    """Words with times from JSON; see `read_fields`."""
    if text is None:
        return None
    try:
        given = _WORDS.validate_json(text)
    except ValidationError as exc:
        [first, *_] = exc.errors()
        if first["type"] == "json_invalid":
            raise MalformedFormError(f"`words` is not JSON ({first['msg']})", InvalidWordsError.way_out) from exc
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        raise InvalidWordsError(f"words{place}: {first['msg']}") from exc
    return tuple(TimedWord(word.word, word.start, word.end, "given") for word in given)


def _check_text(name: str, value: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise MalformedFormError(f"`{name}` holds something that is no character ({exc.reason})", "send UTF-8") from exc
