"""Emotion labels, Eq. (15) and utterance scores, shared by training, bundles, runtime and service. No torch."""

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
    "fea": "fearful",
    "dis": "disgusted",
}
"""English names of IEMOCAP's labels."""


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """(…, classes) logarithms of probabilities that sum to 1."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    normalised: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised


def final_log_scores(
    joint: NDArray[np.floating], unimodal: Iterable[NDArray[np.floating]], alpha: float
) -> NDArray[np.float64]:
    """Logarithm of ŷ · (ŷᵀ)^α · (ŷᴬ)^α, up to a constant common to all classes.

    Args:
        joint: (batch, classes) logits of Eq. (10).
        unimodal: (batch, classes) logits of Eqs. (11) and (12); empty for a system without unimodal heads.
        alpha: Weight of the unimodal heads; 0 ignores them.

    Source: Lee, Yoon, Jung 2020, Section 3.3, Eq. (15).
    """
    scores = log_softmax(joint)
    for logits in unimodal:
        scores = scores + alpha * log_softmax(logits)
    return scores


@dataclass(frozen=True, slots=True, eq=False)
class WordEffects:
    """Change of the probability of the predicted class by each word: with the word minus without it.

    Attributes:
        text: (words,) effect of the word in the text.
        audio: (words,) effect of the sound of the word.
    """

    text: NDArray[np.float64]
    audio: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceScores:
    """The network's output for one utterance.

    Contributions and bias sum to log `probabilities` up to a constant common to all classes; each is centred, so that
    the constant is the mean of log `probabilities`. They are exact over the network's states at each word, and a state
    carries context from neighbouring words.

    Attributes:
        probabilities: (classes,) Eq. (15), renormalised at `temperature`.
        text_probabilities: (classes,) Eq. (11), from text alone.
        audio_probabilities: (classes,) Eq. (12), from audio alone.
        text_attention: (words,) Eq. (4), mean over heads; sums to 1.
        audio_attention: (words,) Eq. (5), mean over heads; sums to 1.
        text_contributions: (words, classes) contribution of the text state at each word to the log-score.
        audio_contributions: (words, classes) contribution of the audio state at each word to the log-score.
        bias: (classes,) contribution of the biases to the log-score.
        temperature: Temperature of the probabilities, the contributions and the bias.
        distance: Distance of the sound from that of the training data, relative to the one expected of an unseen
            speaker (`model.calibration`); None for a bundle without the sound of its training data.
        effects: Effects of the words by occlusion (`model.occlusion`); None where they were not measured.
    """

    probabilities: NDArray[np.float64]
    text_probabilities: NDArray[np.float64]
    audio_probabilities: NDArray[np.float64]
    text_attention: NDArray[np.float64]
    audio_attention: NDArray[np.float64]
    text_contributions: NDArray[np.float64]
    audio_contributions: NDArray[np.float64]
    bias: NDArray[np.float64]
    temperature: float
    distance: float | None = None
    effects: WordEffects | None = None
