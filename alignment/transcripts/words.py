"""Words with times; order and bounds are checked here once and trusted elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import isfinite
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from alignment.errors import (
    EmptyTranscriptError,
    TranscriptTooLongError,
    WordBoundsError,
    WordOrderError,
    WordTooLongError,
)
from alignment.timing import Seconds
from alignment.transcripts.normalisation import spoken_words

Timing = Literal["aligned", "recognised", "given", "interpolated"]
"""Origin of a word's times: forced alignment, recognition, the caller, or interpolation between neighbours."""

BOUNDS_TOLERANCE_S: Final = 0.05
MAX_WORD_S: Final[Seconds] = 15.0
"""Longest word, as the longest utterance: the network averages a word's frames into one step, which describes nothing
of a longer stretch."""
# Fast speech has about 6 words per second; a transcript with far more does not belong to the recording.
_MAX_WORDS_PER_S: Final = 20
_ALWAYS_ALLOWED_WORDS: Final = 50
_LETTERS_PER_WORD: Final = 20


@dataclass(frozen=True, slots=True)
class TimedWord:
    """Word with its times.

    Attributes:
        word: Written or recognised word; "" for speech without a recognised word.
        start_s: Seconds from the start of the audio.
        end_s: Seconds from the start of the audio, not before `start_s`.
        timing: Origin of the times.
        score: Confidence of the engine in [0, 1], where it gives one.
        guessed_pronunciation: True where the pronunciation comes from letter-to-sound rules.
        doubtful: Whether the word may not be what is said there; see `alignment.transcripts.doubt`.
    """

    word: str
    start_s: Seconds
    end_s: Seconds
    timing: Timing
    score: float | None = None
    guessed_pronunciation: bool = False
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech segment and its words, in order, all inside it.

    Attributes:
        start_s: Seconds from the start of the audio.
        end_s: Seconds from the start of the audio.
        words: At least one word.
        speaker: Name of the speaker, where it is known.
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
        """The words joined by spaces."""
        return " ".join(word.word for word in self.words if word.word)


@dataclass(frozen=True, slots=True)
class AlignerInfo:
    """Engine, model and language of a transcript, and why this engine was selected."""

    name: str
    model: str
    language: str
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedSpeech:
    """Encoder states of a recogniser for a stretch of speech.

    Attributes:
        start_s: Seconds from the start of the audio.
        states: (frames, dimensions) float32; the model of the aligner defines the duration of a frame.
    """

    start_s: Seconds
    states: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Transcript:
    """All utterances of a recording, in order.

    Attributes:
        utterances: At least one utterance.
        aligner: Engine that gave the words.
        warnings: Messages about words that are interpolated, guessed or missing.
        encoded: Encoder states of the stretches that were recognised, in order; empty for other engines.
    """

    utterances: tuple[Utterance, ...]
    aligner: AlignerInfo
    warnings: tuple[str, ...] = ()
    encoded: tuple[EncodedSpeech, ...] = field(default=(), compare=False)


def check_text(text: str, longest_s: Seconds) -> None:
    """Check what can be known of a transcript without its recording; quick for any text.

    Args:
        text: Spoken text.
        longest_s: Longest accepted audio.

    Raises:
        EmptyTranscriptError: The text holds no word.
        TranscriptTooLongError: The text has more letters than the longest audio can hold.
    """
    _check_length(text, longest_s)
    # Numbers are not spelled out in vain: that takes seconds for a long one.
    if not any(map(str.isalnum, text)) and not any(map(spoken_words, text.split())):
        raise EmptyTranscriptError()


def check_transcript(text: str, duration_s: Seconds) -> list[str]:
    """Split a transcript into written words without punctuation-only ones.

    Args:
        text: Spoken text.
        duration_s: Length of the audio.

    Raises:
        EmptyTranscriptError: The text holds no word.
        TranscriptTooLongError: The text has more words than the audio can hold.
    """
    limit = _check_length(text, duration_s)
    words = [word for word in text.split() if spoken_words(word)]
    count = sum(len(spoken_words(word)) for word in words)
    if count > limit:
        raise TranscriptTooLongError(count, limit, duration_s)
    if not words:
        raise EmptyTranscriptError()
    return words


def _check_length(text: str, duration_s: Seconds) -> int:
    """Largest number of words, after a check of the number of letters."""
    limit = _max_words(duration_s)
    if len(text) > limit * _LETTERS_PER_WORD:
        raise TranscriptTooLongError(len(text) // _LETTERS_PER_WORD, limit, duration_s)
    return limit


def _max_words(duration_s: Seconds) -> int:
    return _ALWAYS_ALLOWED_WORDS + int(_MAX_WORDS_PER_S * duration_s)


def check_word_lengths(words: Sequence[TimedWord]) -> None:
    """Raise unless every word has a length that a spoken word can have; the audio is not needed.

    Raises:
        WordTooLongError: A word lasts longer than 15 s.
    """
    for index, word in enumerate(words):
        duration_s = word.end_s - word.start_s
        if isfinite(duration_s) and duration_s > MAX_WORD_S:
            raise WordTooLongError(index, word.word, duration_s, MAX_WORD_S)


def check_words(words: Sequence[TimedWord], duration_s: Seconds) -> tuple[TimedWord, ...]:
    """Check given words, split overlaps in the middle, and clip ends to the audio.

    Args:
        words: Words in spoken order.
        duration_s: Length of the audio.

    Raises:
        EmptyTranscriptError: There is no word.
        TranscriptTooLongError: There are more words than the audio can hold.
        WordOrderError: A word ends before it starts, starts or ends before the previous one, or has no time left
            between its neighbours.
        WordBoundsError: A time is not finite, negative, or more than 0.05 s past the end of the audio.
        WordTooLongError: A word lasts longer than 15 s.
    """
    if not words:
        raise EmptyTranscriptError()
    check_word_lengths(words)
    if len(words) > _max_words(duration_s):
        raise TranscriptTooLongError(len(words), _max_words(duration_s), duration_s)
    check_times(list(enumerate(words)), duration_s)
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


def check_times(words: Sequence[tuple[int, TimedWord]], duration_s: Seconds) -> None:
    """Check the times of words with their indices, in spoken order.

    Raises:
        WordOrderError, WordBoundsError: See `check_words`.
    """
    for index, word in words:
        _check_bounds(index, word, duration_s)
    for (_, before), (index, word) in pairwise(words):
        _check_order(index, before, word)


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
