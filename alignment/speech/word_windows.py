"""Windows of a long recording with given words, cut between utterances."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from alignment.speech.windows import WINDOW_S
from alignment.timing import Seconds
from alignment.transcripts.utterances import group_words
from alignment.transcripts.words import TimedWord, Utterance


@dataclass(frozen=True, slots=True)
class WordWindow:
    """End of a window in the recording's time, and its words in the window's time."""

    end_s: Seconds
    words: tuple[TimedWord, ...]


def cut_between_words(words: Sequence[TimedWord], duration_s: Seconds) -> Iterator[WordWindow]:
    """Yield windows that tile the recording, of 60 s plus the rest of their last utterance.

    Args:
        words: Words from `check_words`, at least one.
        duration_s: Length of the recording.
    """
    start_s = 0.0
    window: list[Utterance] = []
    utterances = group_words(words, duration_s)
    for utterance, following in zip(utterances, [*utterances[1:], None], strict=True):
        window.append(utterance)
        # Margins of neighbours do not cross the middle of the pause between them.
        end_s = duration_s if following is None else (utterance.words[-1].end_s + following.words[0].start_s) / 2
        if following is None or end_s - start_s >= WINDOW_S:
            yield WordWindow(end_s, tuple(_shift(word, start_s) for each in window for word in each.words))
            start_s, window = end_s, []


def _shift(word: TimedWord, by_s: Seconds) -> TimedWord:
    return replace(word, start_s=max(0.0, word.start_s - by_s), end_s=word.end_s - by_s)
