"""Segmentation of speech and of timed words into utterances.

An utterance is speech between pauses of 0.5 s or more, or between sentence ends where the recogniser gives them, at
most 15 s long, with a margin of 0.2 s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from typing import Final

from alignment.errors import SegmentError
from alignment.timing import Seconds
from alignment.transcripts.words import BOUNDS_TOLERANCE_S, TimedWord, Utterance

MIN_PAUSE_S: Final = 0.5
MAX_UTTERANCE_S: Final = 15.0
MARGIN_S: Final = 0.2
_MIN_SEGMENT_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class SpeechSegment:
    """Time span of speech, margins included."""

    start_s: Seconds
    end_s: Seconds


def check_segments(given: Sequence[tuple[Seconds, Seconds]], duration_s: Seconds) -> tuple[SpeechSegment, ...]:
    """Check given speech segments and clip their ends to the audio.

    Args:
        given: (start_s, end_s) of each segment.
        duration_s: Length of the audio.

    Raises:
        SegmentError: A segment is shorter than 0.1 s, begins before the previous one ends, or is outside the audio.
    """
    previous_end_s = 0.0
    for index, (start_s, end_s) in enumerate(given):
        if not (isfinite(start_s) and isfinite(end_s)) or end_s > duration_s + BOUNDS_TOLERANCE_S or start_s < 0:
            raise SegmentError(index, start_s, end_s, f"is outside the audio (0 to {duration_s:.3f} s)")
        if min(end_s, duration_s) - start_s < _MIN_SEGMENT_S:
            raise SegmentError(index, start_s, end_s, f"is shorter than {_MIN_SEGMENT_S:g} s")
        if start_s < previous_end_s:
            raise SegmentError(index, start_s, end_s, "begins before the previous one ends")
        previous_end_s = end_s
    return tuple(SpeechSegment(start_s, min(end_s, duration_s)) for start_s, end_s in given)


def join_segments(segments: Sequence[SpeechSegment], longest_s: Seconds, max_pause_s: Seconds) -> list[SpeechSegment]:
    """Join neighbouring segments into windows, because context improves recognition.

    Args:
        segments: Segments in order, none overlapping.
        longest_s: Longest window.
        max_pause_s: Only shorter pauses are bridged.
    """
    joined: list[SpeechSegment] = []
    for segment in segments:
        previous = joined[-1] if joined else None
        if (
            previous
            and segment.start_s - previous.end_s < max_pause_s
            and segment.end_s - previous.start_s <= longest_s
        ):
            joined[-1] = SpeechSegment(previous.start_s, segment.end_s)
        else:
            joined.append(segment)
    return joined


def widen_segments(speech: Sequence[SpeechSegment], duration_s: Seconds) -> tuple[SpeechSegment, ...]:
    """Widen segments by a margin of 0.2 s, or by half of a shorter pause.

    Args:
        speech: Segments in order, none overlapping.
        duration_s: Length of the audio.
    """
    if not speech:
        return ()
    borders = [0.0, *((before.end_s + after.start_s) / 2 for before, after in pairwise(speech)), duration_s]
    return tuple(
        SpeechSegment(max(segment.start_s - MARGIN_S, floor_s), min(segment.end_s + MARGIN_S, ceiling_s))
        for segment, (floor_s, ceiling_s) in zip(speech, pairwise(borders), strict=True)
    )


def assign_words(
    words: Sequence[TimedWord], segments: Sequence[SpeechSegment], duration_s: Seconds
) -> tuple[Utterance, ...]:
    """Make one utterance per segment, with the words that have their middle nearest to it.

    Args:
        words: Recognised words, in order.
        segments: Speech segments, in order, at least one.
        duration_s: Length of the audio.

    Returns:
        Utterances in order; one without a recognised word holds one unknown word ("") over its whole length.
    """
    borders = [(before.end_s + after.start_s) / 2 for before, after in pairwise(segments)]
    regions = zip([0.0, *borders], [*borders, duration_s], strict=True)
    return tuple(_utterance(words, segment, *region) for segment, region in zip(segments, regions, strict=True))


def _utterance(words: Sequence[TimedWord], segment: SpeechSegment, low_s: Seconds, high_s: Seconds) -> Utterance:
    """Words with their middle between two times, and the segment, widened to hold them within these times."""
    inside = tuple(
        replace(word, start_s=max(word.start_s, low_s), end_s=min(word.end_s, high_s))
        for word in words
        if low_s <= (word.start_s + word.end_s) / 2 < high_s
    ) or (TimedWord("", segment.start_s, segment.end_s, "interpolated"),)
    return Utterance(min(segment.start_s, inside[0].start_s), max(segment.end_s, inside[-1].end_s), inside)


def group_words(
    words: Sequence[TimedWord], duration_s: Seconds, breaks: frozenset[int] = frozenset()
) -> tuple[Utterance, ...]:
    """Group words into utterances.

    Args:
        words: Words in order, none overlapping, at least one.
        duration_s: Length of the audio.
        breaks: Indices of words that begin a sentence.

    Returns:
        One utterance per run of words without a pause of 0.5 s or a break; a run over 15 s is cut at its longest
        pauses, but never within a word.
    """
    runs = [run for phrase in _split_at_pauses(words, breaks) for run in _split_long(phrase)]
    starts = [run[0].start_s for run in runs]
    ends = [run[-1].end_s for run in runs]
    before = [0.0, *ends[:-1]]
    after = [*starts[1:], duration_s]
    return tuple(
        Utterance(
            max(start_s - MARGIN_S, 0.0 if index == 0 else (start_s + before_s) / 2),
            min(end_s + MARGIN_S, duration_s if index == len(runs) - 1 else (end_s + after_s) / 2),
            tuple(run),
        )
        for index, (run, start_s, end_s, before_s, after_s) in enumerate(
            zip(runs, starts, ends, before, after, strict=True)
        )
    )


def _split_at_pauses(words: Sequence[TimedWord], breaks: frozenset[int]) -> list[list[TimedWord]]:
    phrases = [[words[0]]]
    for index, (before, word) in enumerate(pairwise(words), start=1):
        if word.start_s - before.end_s >= MIN_PAUSE_S or index in breaks:
            phrases.append([])
        phrases[-1].append(word)
    return phrases


def _split_long(words: list[TimedWord]) -> list[list[TimedWord]]:
    """Cut from the left, each time at the longest pause between half and all of an utterance's longest duration."""
    runs = []
    first = 0
    while words[-1].end_s - words[first].start_s > MAX_UTTERANCE_S and first < len(words) - 1:
        start_s = words[first].start_s
        fitting = [first + 1]
        for index in range(first + 2, len(words)):
            if words[index - 1].end_s - start_s > MAX_UTTERANCE_S:
                break
            fitting.append(index)
        late = [index for index in fitting if words[index - 1].end_s - start_s >= MAX_UTTERANCE_S / 2]
        cut = max(late or fitting[-1:], key=lambda i: (words[i].start_s - words[i - 1].end_s, i))
        runs.append(words[first:cut])
        first = cut
    return [*runs, words[first:]]
