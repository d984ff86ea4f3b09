"""Words that may not be what is said, by the score of the engine that gave them.

The scores of different engines are not comparable; each has the threshold that separates right from wrong words best.
`python -m benchmarks.doubt` measures them, docs/http.md has the figures.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from alignment.transcripts.words import TimedWord

MOONSHINE_BELOW: Final = 0.75
"""Threshold for words that Moonshine recognised: geometric mean of the probabilities of a word's tokens."""
POCKETSPHINX_BELOW: Final = 0.2
"""Threshold for words that PocketSphinx recognised: posterior probability."""
ALIGNED_BELOW: Final = 0.3
"""Threshold for words of a given transcript, aligned by PocketSphinx's acoustic model."""
# On the test sentences every correct word scores over .4; more than half of the words not said, under .3.
WHISPERX_BELOW: Final = 0.3
"""Threshold for words aligned by WhisperX's CTC network, recognised or given: mean probability of a word's symbols."""


def mark_doubtful(words: Sequence[TimedWord], recognised_below: float, aligned_below: float) -> tuple[TimedWord, ...]:
    """Mark words with a low score, and words whose times could not be found in the sound.

    Args:
        words: Words; "" for speech without a recognised word, which is never marked.
        recognised_below: Threshold for words with the timing "recognised".
        aligned_below: Threshold for words with the timing "aligned".
    """
    below = {"recognised": recognised_below, "aligned": aligned_below}
    return tuple(replace(word, doubtful=bool(word.word) and _is_doubtful(word, below)) for word in words)


def _is_doubtful(word: TimedWord, below: dict[str, float]) -> bool:
    if word.timing == "interpolated":
        return True
    return word.score is not None and word.score < below.get(word.timing, 0.0)
