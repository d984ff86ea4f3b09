"""Times of words that an engine could not align."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise
from typing import Final

from alignment.timing import Seconds
from alignment.transcripts.normalisation import normalise_word
from alignment.transcripts.words import TimedWord

Span = tuple[Seconds, Seconds]
_MIN_WORD_S: Final = 0.05


def interpolate_spans(
    words: Sequence[str], spans: Sequence[Span | None], start_s: Seconds, end_s: Seconds
) -> list[Span]:
    """Fill in missing spans: consecutive words without one share the gap around them, by number of letters.

    A gap too small for its words (under 0.05 s each) is widened into its two neighbours, each of which keeps at least
    half of its time.

    Args:
        words: Written words.
        spans: (start_s, end_s) of each word, in order, or None.
        start_s: Earliest start of a word.
        end_s: Latest end of a word.
    """
    filled = list(spans)
    first = 0
    while first < len(filled):
        if filled[first] is not None:
            first += 1
            continue
        last = first
        while last < len(filled) and filled[last] is None:
            last += 1
        low_s, high_s = _widen_gap(filled, first, last, start_s, end_s)
        filled[first:last] = share_time(words[first:last], low_s, high_s)
        first = last
    return [span for span in filled if span is not None]


def share_time(words: Sequence[str], start_s: Seconds, end_s: Seconds) -> list[Span]:
    """Divide the time from `start_s` to `end_s` among words in proportion to their letters."""
    letters = list(accumulate((max(1, len(word)) for word in words), initial=0))
    edges = [start_s + (end_s - start_s) * count / letters[-1] for count in letters]
    return list(pairwise(edges))


def spread_over_speech(words: Sequence[str], speech: Sequence[Span]) -> list[Span]:
    """Divide the time of speech segments among words in proportion to their letters.

    Args:
        words: Written words.
        speech: (start_s, end_s) of each segment, in order, not overlapping, at least one.
    """
    spoken_s = sum(end_s - start_s for start_s, end_s in speech)
    return [
        (_speech_time(speech, low, at_end=False), _speech_time(speech, high, at_end=True))
        for low, high in share_time(words, 0.0, spoken_s)
    ]


def _speech_time(speech: Sequence[Span], spoken_s: Seconds, *, at_end: bool) -> Seconds:
    """Time after a duration of speech; between two segments, the end of the first or the start of the second."""
    for start_s, end_s in speech:
        length_s = end_s - start_s
        if spoken_s < length_s or (at_end and spoken_s <= length_s):
            return start_s + spoken_s
        spoken_s -= length_s
    return speech[-1][1]


def _widen_gap(filled: list[Span | None], first: int, last: int, start_s: Seconds, end_s: Seconds) -> Span:
    """Gap of words first..last-1, widened into its neighbours where it is too small."""
    before = filled[first - 1] if first else None
    after = filled[last] if last < len(filled) else None
    low_s = before[1] if before else start_s
    high_s = after[0] if after else end_s
    missing_s = max(0.0, (last - first) * _MIN_WORD_S - (high_s - low_s)) / 2
    if before and missing_s:
        low_s = max(low_s - missing_s, sum(before) / 2)
        filled[first - 1] = (before[0], low_s)
    if after and missing_s:
        high_s = min(high_s + missing_s, sum(after) / 2)
        filled[last] = (high_s, after[1])
    return low_s, high_s


def anchor_words(
    words: Sequence[str], recognised: Sequence[TimedWord], speech: Sequence[Span]
) -> tuple[TimedWord, ...]:
    """Time the words of a transcript by recognised words.

    Args:
        words: Words of the transcript.
        recognised: Words that a recogniser gave.
        speech: (start_s, end_s) of each speech segment, in order, at least one.

    Returns:
        Words that were also recognised, in the same order, have the recognised times and scores; the others are
        interpolated between them or, where nothing matches, spread over the speech.
    """
    anchors: dict[int, TimedWord] = {}
    keys = [normalise_word(word) for word in words]
    recognised_keys = [normalise_word(word.word) for word in recognised]
    for at, other_at, size in SequenceMatcher(None, keys, recognised_keys, autojunk=False).get_matching_blocks():
        for offset in range(size):
            anchors[at + offset] = recognised[other_at + offset]
    if anchors:
        known = [_span(anchors.get(index)) for index in range(len(words))]
        spans = interpolate_spans(words, known, speech[0][0], speech[-1][1])
    else:
        spans = spread_over_speech(words, speech)
    return tuple(
        TimedWord(word, *span, "recognised", anchors[index].score)
        if index in anchors
        else TimedWord(word, *span, "interpolated")
        for index, (word, span) in enumerate(zip(words, spans, strict=True))
    )


def _span(word: TimedWord | None) -> Span | None:
    return (word.start_s, word.end_s) if word else None
