"""Words with times. Order and bounds are checked here, once, and trusted everywhere else."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final, Literal

from alignment.errors import EmptyTranscriptError, TranscriptTooLongError, WordBoundsError, WordOrderError
from alignment.timing import Seconds
from alignment.transcripts.normalisation import spoken_words

Timing = Literal["aligned", "recognised", "given", "interpolated"]
"""Where a word's times come from: forced alignment, recognition, the caller, or its neighbours."""

BOUNDS_TOLERANCE_S: Final = 0.05
# Fast speech has about 6 words a second; far more than that is no transcript of the recording.
_WORDS_A_SECOND: Final = 20
_FREE_WORDS: Final = 50
_LETTERS_A_WORD: Final = 20


@dataclass(frozen=True, slots=True)
class TimedWord:
    """One word.

    Attributes:
        word: as it was written or recognised; "" where speech was heard but no word recognised.
        start_s: seconds from the start of the audio.
        end_s: seconds from the start of the audio, not before `start_s`.
        timing: where the times come from.
        score: the engine's own confidence in [0, 1], where it has one.
        guessed_pronunciation: true where letter-to-sound rules had to make it up.
    """

    word: str
    start_s: Seconds
    end_s: Seconds
    timing: Timing
    score: float | None = None
    guessed_pronunciation: bool = False


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech and its words, in order, all inside it.

    Attributes:
        start_s: seconds from the start of the audio.
        end_s: seconds from the start of the audio.
        words: at least one.
        speaker: whose they are, where that is known.
    """

    start_s: Seconds
    end_s: Seconds
    words: tuple[TimedWord, ...]
    speaker: str | None = None

    @property
    def duration_s(self) -> Seconds:
        """Length in seconds."""
        return self.end_s - self.start_s

    @property
    def text(self) -> str:
        """The words, joined by spaces."""
        return " ".join(word.word for word in self.words if word.word)


@dataclass(frozen=True, slots=True)
class AlignerInfo:
    """Who found the words: engine, model and language, and why this engine."""

    name: str
    model: str
    language: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """All utterances of a recording, in order.

    Attributes:
        utterances: at least one.
        aligner: who found the words.
        warnings: what was made up or left out, in words.
    """

    utterances: tuple[Utterance, ...]
    aligner: AlignerInfo
    warnings: tuple[str, ...] = ()


def check_transcript(text: str, duration_s: Seconds) -> list[str]:
    """Written words of a transcript, those that are punctuation only left out.

    Args:
        text: what is said.
        duration_s: length of the audio.

    Raises:
        EmptyTranscriptError: there is no word in it.
        TranscriptTooLongError: nobody can say so much in that time.
    """
    limit = _most_words(duration_s)
    if len(text) > limit * _LETTERS_A_WORD:
        raise TranscriptTooLongError(len(text) // _LETTERS_A_WORD, limit, duration_s)
    words = [word for word in text.split() if spoken_words(word)]
    count = sum(len(spoken_words(word)) for word in words)
    if count > limit:
        raise TranscriptTooLongError(count, limit, duration_s)
    if not words:
        raise EmptyTranscriptError()
    return words


def _most_words(duration_s: Seconds) -> int:
    return _FREE_WORDS + int(_WORDS_A_SECOND * duration_s)


def check_words(words: Sequence[TimedWord], duration_s: Seconds) -> tuple[TimedWord, ...]:
    """The same words, overlaps cut in the middle and ends clipped to the audio.

    Args:
        words: in the order in which they are spoken.
        duration_s: length of the audio.

    Raises:
        EmptyTranscriptError: there are none.
        TranscriptTooLongError: nobody can say so many in that time.
        WordOrderError: a word ends before it starts, one starts or ends before the one before it, or no time is left
            for one between its neighbours.
        WordBoundsError: a time is no number, negative, or more than 0.05 s past the end of the audio.
    """
    if not words:
        raise EmptyTranscriptError()
    if len(words) > _most_words(duration_s):
        raise TranscriptTooLongError(len(words), _most_words(duration_s), duration_s)
    for index, word in enumerate(words):
        _check_bounds(index, word, duration_s)
        if index:
            _check_order(index, words[index - 1], word)
    edges = [word.start_s for word in words] + [duration_s]
    for index in range(1, len(words)):
        overlap_s = words[index - 1].end_s - words[index].start_s
        edges[index] += max(0.0, overlap_s / 2)
    checked = tuple(
        replace(word, start_s=min(start_s, duration_s), end_s=min(word.end_s, max(start_s, limit_s), duration_s))
        for word, start_s, limit_s in zip(words, edges[:-1], edges[1:], strict=True)
    )
    for index, word in enumerate(checked):
        if word.end_s <= word.start_s:
            raise WordOrderError(index, word.word, "has no time of its own between its neighbours")
    return checked


def _check_bounds(index: int, word: TimedWord, duration_s: Seconds) -> None:
    times_are_numbers = isfinite(word.start_s) and isfinite(word.end_s)
    if not times_are_numbers or word.start_s < 0 or max(word.start_s, word.end_s) > duration_s + BOUNDS_TOLERANCE_S:
        raise WordBoundsError(index, word.word, word.start_s, word.end_s, duration_s)
    if word.end_s <= word.start_s:
        raise WordOrderError(index, word.word, f"ends at {word.end_s:g} s, not after its start at {word.start_s:g} s")


def _check_order(index: int, before: TimedWord, word: TimedWord) -> None:
    if word.start_s < before.start_s:
        raise WordOrderError(index, word.word, f"starts at {word.start_s:g} s, before {before.word!r} does")
    if word.end_s < before.end_s:
        raise WordOrderError(index, word.word, f"ends at {word.end_s:g} s, before {before.word!r} does")
