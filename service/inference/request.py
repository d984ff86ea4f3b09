"""The request of an analysis, and the rules of its fields.

HTTP forms, jobs, the command line and the Python API use it. Fields may be given as text, as forms and
files hold them: `words` and `segments` are then JSON, and a blank field counts as omitted.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from alignment.timing import Seconds
from alignment.transcripts.untimed import is_untimed, mark_untimed, time_words
from alignment.transcripts.words import TimedWord
from can_ser_client import fields as client_fields
from service.errors import ConflictingFieldsError, InvalidSegmentsError, InvalidWordsError, MalformedFormError
from service.inference.languages import find_language_code

_T = TypeVar("_T")
Explain = client_fields.Explain
Speakers = client_fields.Speakers
Segment = tuple[Seconds, Seconds]
MAX_NAME_LENGTH: Final = 100
"""Characters of a language or an aligner."""
_MAX_BUNDLES_LENGTH: Final = 1_000
_EXCLUSIVE: Final = (
    ("transcript", "words"),
    ("transcript", "speakers"),
    ("words", "speakers"),
    ("words", "segments"),
    ("segments", "speakers"),
)
_OPTIONAL_TEXT: Final = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})


class GivenWord(BaseModel):
    """A word with the caller's times; recognisers give none for words that they could not align."""

    model_config = ConfigDict(extra="ignore")

    word: Annotated[str, Field(min_length=1, max_length=200)]
    start: Annotated[float | None, Field(description="Seconds from the start of the file.")] = None
    end: Annotated[float | None, Field(description="Seconds from the start of the file.")] = None


class GivenSegment(BaseModel):
    """A speech segment with the caller's times."""

    model_config = ConfigDict(extra="ignore")

    start: Annotated[float, Field(description="Seconds from the start of the file.")]
    end: Annotated[float, Field(description="Seconds from the start of the file.")]


# A megabyte of JSON can hold half a million mistakes; the first one is reported.
_WORDS: Final = TypeAdapter(Annotated[list[GivenWord], FailFast()])
_SEGMENTS: Final = TypeAdapter(Annotated[list[GivenSegment], FailFast()])


def _read_words(value: Any) -> tuple[TimedWord, ...] | None:
    if isinstance(value, str):
        given = _parse("words", value, _WORDS, InvalidWordsError)
        return _require_times(tuple(mark_untimed(each.word, each.start, each.end) for each in given))
    if value is None:
        return None
    return _require_times(tuple(each if isinstance(each, TimedWord) else mark_untimed(*each) for each in value))


def _require_times(words: tuple[TimedWord, ...]) -> tuple[TimedWord, ...]:
    if words and all(is_untimed(word) for word in words):
        raise InvalidWordsError(
            "no word has a start and an end after it, from which the others could be interpolated",
            "give at least one word its times in seconds, or send the text as `transcript`, whose words are aligned",
        )
    return words


def _read_segments(value: Any) -> tuple[Segment, ...]:
    if isinstance(value, str):
        return tuple((each.start, each.end) for each in _parse("segments", value, _SEGMENTS, InvalidSegmentsError))
    return tuple((start_s, end_s) for start_s, end_s in value or ())


class AnalysisRequest(BaseModel):
    """What a caller specifies in addition to the recording.

    Attributes:
        transcript: Words that are said; forced alignment replaces recognition.
        words: Words that are said, with their times; nothing is recognised.
        language: Code (ISO 639), English name or locale; None for the default of the aligner.
        aligner: Name of an aligner; "auto" or None for the default of the server.
        speakers: "channels" for one speaker per channel of the recording, "diarize" to separate them by voice.
        segments: (start_s, end_s) of speech segments, in place of detection; empty for detection.
        bundle: Names of served bundles, separated by commas; None for the default of the server.
        explain: "true" returns words with contributions to the predicted class, "full" to every class, "false" none;
            "occlusion" adds to "true" the effect of each word, measured by leaving out its text or its sound.

    Raises:
        ConflictingFieldsError: Two fields exclude each other.
        MalformedFormError: A field holds characters that are not text, or `words` or `segments` is not JSON.
        InvalidWordsError, InvalidSegmentsError: The JSON has another shape.
        pydantic.ValidationError: Another field is out of bounds.
    """

    model_config = ConfigDict(frozen=True)

    transcript: Annotated[
        str | None, Field(description="What is said; its words are aligned, nothing is recognised.")
    ] = None
    words: Annotated[
        tuple[TimedWord, ...] | None,
        PlainValidator(_read_words),
        _OPTIONAL_TEXT,
        Field(
            description='Words with their times: `[{"word": "hello", "start": 0.31, "end": 0.62}]`; the times of '
            "single words may be omitted."
        ),
    ] = None
    language: Annotated[
        str | None,
        Field(
            description='ISO 639 code, name in English or in the language itself, or locale: "de", "German", '
            '"Deutsch", "de-DE"; "auto" detects it where the aligner supports several.',
            max_length=MAX_NAME_LENGTH,
        ),
        AfterValidator(lambda language: language and find_language_code(language)),
    ] = None
    aligner: Annotated[
        str | None,
        Field(description="Name of an aligner; omit it for the default of the server.", max_length=MAX_NAME_LENGTH),
    ] = None
    speakers: Annotated[
        Speakers | None,
        Field(description="channels: one speaker per channel, as in call recordings; diarize: separated by voice."),
    ] = None
    segments: Annotated[
        tuple[Segment, ...],
        PlainValidator(_read_segments),
        _OPTIONAL_TEXT,
        Field(
            description='Speech segments, in place of detection: `[{"start": 0.3, "end": 2.6}]`.',
            json_schema_extra={"default": None},
        ),
    ] = ()
    bundle: Annotated[
        str | None,
        Field(
            description="Name of a served bundle, or several separated by commas: the response is that of the first, "
            "`others` those of the rest.",
            max_length=_MAX_BUNDLES_LENGTH,
        ),
    ] = None
    explain: Annotated[
        Explain,
        Field(
            description="full: contributions to every class; false: no words; occlusion: as true, and the effect of "
            "leaving out the text or the sound of each word, which takes much longer."
        ),
    ] = "true"

    @model_validator(mode="before")
    @classmethod
    def _check_fields(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Check text and exclusive fields; drop blank ones."""
        for name, value in fields.items():
            if isinstance(value, str):
                _check_text(name, value)
        given = {name: value for name, value in fields.items() if not _is_omitted(value)}
        for first, second in _EXCLUSIVE:
            if {first, second} <= given.keys():
                raise ConflictingFieldsError(first, second)
        return given

    @property
    def bundles(self) -> tuple[str, ...]:
        """Names of the requested bundles, each once; empty for the default."""
        return tuple(dict.fromkeys(filter(None, map(str.strip, (self.bundle or "").split(",")))))

    @property
    def recognises(self) -> bool:
        """Whether the words must be recognised."""
        return self.transcript is None and self.words is None

    def with_words(self, words: tuple[TimedWord, ...]) -> "AnalysisRequest":
        """The same request with other words."""
        return self.model_copy(update={"words": words})

    def with_duration(self, duration_s: Seconds) -> "AnalysisRequest":
        """The same request with times for words that have none.

        Args:
            duration_s: Length of the recording.

        Raises:
            TranscriptError: The words with times cannot be used; see `time_words`.
        """
        if self.words is None or not any(is_untimed(word) for word in self.words):
            return self
        return self.with_words(time_words(self.words, duration_s))

    def to_form(self) -> dict[str, str]:
        """Fields that differ from their defaults, as text; `AnalysisRequest(**form)` reads them."""
        form = {name: value for name, value in self if isinstance(value, str)}
        if self.words is not None:
            form["words"] = json.dumps([_to_given(word) for word in self.words])
        if self.segments:
            form["segments"] = json.dumps([{"start": start_s, "end": end_s} for start_s, end_s in self.segments])
        return form


def _to_given(word: TimedWord) -> dict[str, Any]:
    return {"word": word.word} if is_untimed(word) else {"word": word.word, "start": word.start_s, "end": word.end_s}


def _is_omitted(value: object) -> bool:
    return value is None or value == () or (isinstance(value, str) and not value.strip())


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
        raise MalformedFormError(f"`{name}` holds invalid characters ({exc.reason})", "send UTF-8") from exc
