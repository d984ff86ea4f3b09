"""Given words without times of their own, as recognisers return words that they could not align.

Such a word has no start or no end, or ends at its start. Its times are interpolated between its neighbours.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, isnan, nan
from typing import Final

from alignment.errors import EmptyTranscriptError
from alignment.timing import Seconds
from alignment.transcripts.interpolation import Span, interpolate_spans
from alignment.transcripts.words import TimedWord, check_times, check_word_lengths

_LONGEST_S: Final[Seconds] = 1.0
"""Longest interpolated word: a gap between two words may be a pause of any length."""


def mark_untimed(word: str, start_s: Seconds | None, end_s: Seconds | None) -> TimedWord:
    """A given word; one without a duration is marked for `time_words`.

    Args:
        word: Written word.
        start_s: Seconds from the start of the audio; None where it is not known.
        end_s: As for `start_s`.
    """
    if start_s is None or end_s is None or start_s == end_s:
        return TimedWord(word, nan, nan, "interpolated")
    return TimedWord(word, start_s, end_s, "given")


def is_untimed(word: TimedWord) -> bool:
    """Whether a word is marked as one without times."""
    return word.timing == "interpolated" and isnan(word.start_s)


def check_given(words: Sequence[TimedWord]) -> None:
    """Check what can be known of given words without their recording.

    Raises:
        EmptyTranscriptError: There is no word.
        WordTooLongError, WordOrderError, WordBoundsError: See `check_words`.
    """
    if not words:
        raise EmptyTranscriptError()
    check_word_lengths(words)
    check_times([(index, word) for index, word in enumerate(words) if not is_untimed(word)], inf)


def time_words(words: Sequence[TimedWord], duration_s: Seconds) -> tuple[TimedWord, ...]:
    """Interpolate the times of words that have none between their neighbours, at most a second for each.

    Args:
        words: Words in spoken order, at least one with times.
        duration_s: Length of the audio.

    Raises:
        WordOrderError, WordBoundsError: The words with times cannot be used; see `check_words`.
    """
    timed = [(index, word) for index, word in enumerate(words) if not is_untimed(word)]
    check_times(timed, duration_s)
    spans: list[Span | None] = [None if is_untimed(word) else (word.start_s, word.end_s) for word in words]
    first, last = timed[0], timed[-1]
    start_s = max(0.0, first[1].start_s - first[0] * _LONGEST_S)
    end_s = min(duration_s, last[1].end_s + (len(words) - 1 - last[0]) * _LONGEST_S)
    filled = interpolate_spans([word.word for word in words], spans, start_s, end_s)
    shortened = [
        (low_s, min(high_s, low_s + _LONGEST_S)) if is_untimed(word) else (low_s, high_s)
        for word, (low_s, high_s) in zip(words, filled, strict=True)
    ]
    return tuple(
        replace(word, start_s=low_s, end_s=high_s) for word, (low_s, high_s) in zip(words, shortened, strict=True)
    )
