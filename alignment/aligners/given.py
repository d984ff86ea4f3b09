"""The caller's own words and times: checked, grouped, trusted."""

from collections.abc import Sequence
from itertools import pairwise

from alignment.timing import Seconds
from alignment.transcripts.utterances import group_words
from alignment.transcripts.words import AlignerInfo, TimedWord, Transcript, check_words

GIVEN = AlignerInfo(name="given", model="none", language="", reason="the request brought its own words and times")


def build_given_transcript(words: Sequence[TimedWord], duration_s: Seconds) -> Transcript:
    """Utterances of words that the caller timed.

    Args:
        words: in the order in which they are spoken, `timing="given"`.
        duration_s: length of the audio.

    Raises:
        EmptyTranscriptError, WordOrderError, WordBoundsError: see `check_words`.
    """
    checked = check_words(words, duration_s)
    overlapping = sum(before.end_s > after.start_s for before, after in pairwise(words))
    warnings = (f"{overlapping} words began before the one before them ended; they were cut in the middle",)
    return Transcript(group_words(checked, duration_s), GIVEN, warnings if overlapping else ())
