"""Score of words that are aligned by force: how well the sound under a word matches its phones.

The decoder gives the log-likelihood of each frame relative to the best phone of the transcript in this frame. Its mean
over a word is a form of goodness of pronunciation; a wrong transcript shows in it without a second decoder. The
constants were chosen on a fifth of RAVDESS's clips, as they are and with white noise at 20 dB; `python -m
benchmarks.doubt` measures the result.

Source: Witt and Young 2000, "Phone-level pronunciation scoring and assessment for interactive language learning",
Speech Communication 30. Deviation: relative to the phones of the transcript, not to all phones, which takes a fifth of
the time and separates right from wrong words equally well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from statistics import median
from typing import Final

# Short words have few frames, whose mean varies more; it is drawn towards 0 by as many frames without a mismatch.
_PRIOR_FRAMES: Final = 10
# A word of a wrong transcript stands among others that do not match; its neighbours count with this weight.
_NEIGHBOUR_WEIGHT: Final = 0.3
_NEIGHBOURS: Final = 3
# Logistic regression of words that are said against words that are not.
_CENTRE: Final = -2.0
_SLOPE: Final = 3.0
# The decoder gives likelihoods as floating-point numbers, which end at e^-745; the sound of such a word does not match.
_LOWEST_LOG: Final = -700.0
_NO_MATCH: Final = -8.0


@dataclass(frozen=True, slots=True)
class AcousticMatch:
    """Match of the sound and a word.

    Attributes:
        log_likelihood: Sum over the frames, relative to the best phone of the transcript in each; at most 0.
        frames: Number of frames, at least 1.
    """

    log_likelihood: float
    frames: int


def score_words(matches: Sequence[AcousticMatch]) -> list[float]:
    """Scores in [0, 1], about the probability that a word is said where it was aligned.

    Args:
        matches: Match of each word, in spoken order.
    """
    means = [_mean(match) for match in matches]
    scores = []
    for index, mean in enumerate(means):
        context = median(means[max(0, index - _NEIGHBOURS) : index + _NEIGHBOURS + 1])
        value = (1 - _NEIGHBOUR_WEIGHT) * mean + _NEIGHBOUR_WEIGHT * context
        scores.append(1 / (1 + exp(-_SLOPE * (value - _CENTRE))))
    return scores


def _mean(match: AcousticMatch) -> float:
    if match.log_likelihood < _LOWEST_LOG:
        return _NO_MATCH
    return match.log_likelihood / (match.frames + _PRIOR_FRAMES)
