"""Transcripts from words and times that the caller gives."""

from collections.abc import Sequence
from itertools import pairwise

from alignment.timing import Seconds
from alignment.transcripts.utterances import group_words
from alignment.transcripts.words import AlignerInfo, TimedWord, Transcript, check_words

GIVEN = AlignerInfo(name="given", model="none", language="", reason="the request contains words and times")


def build_given_transcript(words: Sequence[TimedWord], duration_s: Seconds) -> Transcript:
    """Check words with given times and group them into utterances.

    Args:
        words: Words in spoken order, `timing="given"`.
        duration_s: Length of the audio.

    Raises:
        EmptyTranscriptError, WordOrderError, WordBoundsError: See `check_words`.
    """
    checked = check_words(words, duration_s)
    overlapping = sum(before.end_s > after.start_s for before, after in pairwise(words))
    untimed = sum(word.timing == "interpolated" for word in checked)
    warnings = {
        f"{overlapping} words overlapped the previous word; the overlaps were split in the middle": overlapping,
        f"{untimed} of {len(checked)} words had no times; their times were interpolated": untimed,
    }
    return Transcript(group_words(checked, duration_s), GIVEN, tuple(text for text, count in warnings.items() if count))
