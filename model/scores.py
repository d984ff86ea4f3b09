"""What trainer, bundle, runtime and service agree on: labels, and Eq. (15). No torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

EMOTION_NAMES: Final = {
    "ang": "angry",
    "hap": "happy",
    "exc": "excited",
    "sad": "sad",
    "fru": "frustrated",
    "sur": "surprised",
    "neu": "neutral",
    "fea": "afraid",
    "dis": "disgusted",
}
"""English words for the labels of IEMOCAP."""


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """(…, classes) logarithms of probabilities that sum to 1."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    normalised: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised


def final_log_scores(
    joint: NDArray[np.floating], singles: Iterable[NDArray[np.floating]], alpha: float
) -> NDArray[np.float64]:
    """Logarithm of ŷ · (ŷᵀ)^α · (ŷᴬ)^α, up to a constant that all classes share.

    Args:
        joint: (batch, classes) logits of Eq. (10).
        singles: (batch, classes) logits of Eqs. (11) and (12); none for a system with one answer.
        alpha: weight of the single modalities; at 0 they do not vote.

    Source: Lee, Yoon, Jung 2020, Section 3.3, Eq. (15).
    """
    scores = log_softmax(joint)
    for single in singles:
        scores = scores + alpha * log_softmax(single)
    return scores


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceScores:
    """What the network says of one utterance.

    Attributes:
        probabilities: (classes,) the answer; Eq. (15) renormalised at the bundle's temperature.
        text_probabilities: (classes,) Eq. (11), from text alone.
        audio_probabilities: (classes,) Eq. (12), from sound alone.
        text_attention: (words,) Eq. (4), mean over heads; sums to 1.
        audio_attention: (words,) Eq. (5), mean over heads; sums to 1.
        text_contributions: (words, classes) what each word's text adds to the log-score.
        audio_contributions: (words, classes) what each word's sound adds to it.
        bias: (classes,) what the biases add. Contributions and bias sum to log `probabilities`, up to a constant
            that all classes share; each is centred, so that the constant is the mean of log `probabilities`.
    """

    probabilities: NDArray[np.float64]
    text_probabilities: NDArray[np.float64]
    audio_probabilities: NDArray[np.float64]
    text_attention: NDArray[np.float64]
    audio_attention: NDArray[np.float64]
    text_contributions: NDArray[np.float64]
    audio_contributions: NDArray[np.float64]
    bias: NDArray[np.float64]
