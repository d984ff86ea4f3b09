"""Windows of a long recording whose words are known: cut between utterances, never inside one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from alignment.speech.windows import WINDOW_S
from alignment.timing import Seconds
from alignment.transcripts.utterances import group_words
from alignment.transcripts.words import TimedWord, Utterance


@dataclass(frozen=True, slots=True)
class WordWindow:
    """Where a window ends, in the recording's time, and its words, in its own."""

    end_s: Seconds
    words: tuple[TimedWord, ...]


def cut_between_words(words: Sequence[TimedWord], duration_s: Seconds) -> Iterator[WordWindow]:
    """Windows that tile the recording, of 60 s and whatever the utterance at their end adds.

    Args:
        words: checked by `check_words`, at least one.
        duration_s: length of the recording.
    """
    start_s = 0.0
    kept: list[Utterance] = []
    utterances = group_words(words, duration_s)
    for utterance, following in zip(utterances, [*utterances[1:], None], strict=True):
        kept.append(utterance)
        # Margins of neighbours meet in the middle of the pause between them at the latest.
        end_s = duration_s if following is None else (utterance.words[-1].end_s + following.words[0].start_s) / 2
        if following is None or end_s - start_s >= WINDOW_S:
            yield WordWindow(end_s, tuple(_earlier(word, start_s) for each in kept for word in each.words))
            start_s, kept = end_s, []


def _earlier(word: TimedWord, by_s: Seconds) -> TimedWord:
    return replace(word, start_s=max(0.0, word.start_s - by_s), end_s=word.end_s - by_s)
