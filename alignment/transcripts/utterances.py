"""Where one utterance ends and the next begins.

An utterance is a stretch of speech between pauses of 0.5 s or more, or between sentence ends where the recogniser
gives them, at most 15 s long, with a margin of 0.2 s.
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
_LEAST_STRETCH_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class SpeechSegment:
    """Some seconds of speech, margins included."""

    start_s: Seconds
    end_s: Seconds


def check_segments(given: Sequence[tuple[Seconds, Seconds]], duration_s: Seconds) -> tuple[SpeechSegment, ...]:
    """The caller's stretches of speech, ends clipped to the audio.

    Args:
        given: (start_s, end_s) of each.
        duration_s: length of the audio.

    Raises:
        SegmentError: one is shorter than 0.1 s, begins before the one before it ends, or lies outside the audio.
    """
    passed_s = 0.0
    for index, (start_s, end_s) in enumerate(given):
        if not (isfinite(start_s) and isfinite(end_s)) or end_s > duration_s + BOUNDS_TOLERANCE_S or start_s < 0:
            raise SegmentError(index, start_s, end_s, f"lies outside the audio (0 to {duration_s:.3f} s)")
        if min(end_s, duration_s) - start_s < _LEAST_STRETCH_S:
            raise SegmentError(index, start_s, end_s, f"is shorter than {_LEAST_STRETCH_S:g} s")
        if start_s < passed_s:
            raise SegmentError(index, start_s, end_s, "begins before the one before it ends")
        passed_s = end_s
    return tuple(SpeechSegment(start_s, min(end_s, duration_s)) for start_s, end_s in given)


def join_segments(stretches: Sequence[SpeechSegment], longest_s: Seconds, max_pause_s: Seconds) -> list[SpeechSegment]:
    """Neighbours joined into windows for a recogniser, which gains by context.

    Args:
        stretches: in order, none overlapping.
        longest_s: no window grows past this.
        max_pause_s: only pauses shorter than this are bridged.
    """
    joined: list[SpeechSegment] = []
    for stretch in stretches:
        before = joined[-1] if joined else None
        if before and stretch.start_s - before.end_s < max_pause_s and stretch.end_s - before.start_s <= longest_s:
            joined[-1] = SpeechSegment(before.start_s, stretch.end_s)
        else:
            joined.append(stretch)
    return joined


def widen_segments(speech: Sequence[SpeechSegment], duration_s: Seconds) -> tuple[SpeechSegment, ...]:
    """The same stretches with a margin of 0.2 s, or half of a shorter pause.

    Args:
        speech: in order, none overlapping.
        duration_s: length of the audio.
    """
    if not speech:
        return ()
    borders = [0.0, *((before.end_s + after.start_s) / 2 for before, after in pairwise(speech)), duration_s]
    return tuple(
        SpeechSegment(max(stretch.start_s - MARGIN_S, floor_s), min(stretch.end_s + MARGIN_S, ceiling_s))
        for stretch, (floor_s, ceiling_s) in zip(speech, pairwise(borders), strict=True)
    )


def assign_words(
    words: Sequence[TimedWord], stretches: Sequence[SpeechSegment], duration_s: Seconds
) -> tuple[Utterance, ...]:
    """One utterance per stretch, with the words whose middle lies nearest to it.

    Args:
        words: recognised ones, in order.
        stretches: speech, in order, at least one.
        duration_s: length of the audio.

    Returns:
        Utterances in order; one without a recognised word holds one unknown word ("") over all of it.
    """
    borders = [(before.end_s + after.start_s) / 2 for before, after in pairwise(stretches)]
    regions = zip([0.0, *borders], [*borders, duration_s], strict=True)
    return tuple(_utterance(words, stretch, *region) for stretch, region in zip(stretches, regions, strict=True))


def _utterance(words: Sequence[TimedWord], stretch: SpeechSegment, low_s: Seconds, high_s: Seconds) -> Utterance:
    """The words with their middle between two times; the stretch grows to hold them, within these times."""
    inside = tuple(
        replace(word, start_s=max(word.start_s, low_s), end_s=min(word.end_s, high_s))
        for word in words
        if low_s <= (word.start_s + word.end_s) / 2 < high_s
    ) or (TimedWord("", stretch.start_s, stretch.end_s, "interpolated"),)
    return Utterance(min(stretch.start_s, inside[0].start_s), max(stretch.end_s, inside[-1].end_s), inside)


def group_words(
    words: Sequence[TimedWord], duration_s: Seconds, breaks: frozenset[int] = frozenset()
) -> tuple[Utterance, ...]:
    """Utterances of a run of words.

    Args:
        words: in order, none overlapping, at least one.
        duration_s: length of the audio.
        breaks: indices of words that begin a sentence.

    Returns:
        One utterance per run of words without a pause of 0.5 s or a break; a run over 15 s is cut at its
        longest pauses, a single word never.
    """
    runs = [run for stretch in _split_at_pauses(words, breaks) for run in _split_long(stretch)]
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
    stretches = [[words[0]]]
    for index, (before, word) in enumerate(pairwise(words), start=1):
        if word.start_s - before.end_s >= MIN_PAUSE_S or index in breaks:
            stretches.append([])
        stretches[-1].append(word)
    return stretches


def _split_long(words: list[TimedWord]) -> list[list[TimedWord]]:
    """Cuts from the left, each time at the longest pause between half and all of what an utterance may last."""
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
