"""Occlusion: the effect of each word on a prediction, measured by leaving out its text or its sound.

A variant of an utterance has one word replaced by the unknown word, or the frames of one segment by `HiddenSound`.
Training hides words in the same way, and segments where the recipe has `segment_dropout`
(`model.training.augmentation`); weights trained without it have never read such a segment.

Source: Zeiler, Fergus 2014, "Visualizing and Understanding Convolutional Networks", Section 4.2.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.features.extraction import UtteranceFeatures
from model.bundle import Bundle
from model.scores import UtteranceScores, WordEffects, log_softmax

# About .2 s of one core: variants do not delay other requests for longer, and their memory is bounded.
_WORDS_IN_CHUNK: Final = 1_024
_LEAST: Final = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True, eq=False)
class HiddenSound:
    """Frames that replace those of a hidden segment.

    A BLSTM reads the mean frame of the training data, which is zero after normalisation. Statistics of segments would
    read this as speech without any change, which does not exist, so that they get frames with the deviation of an
    average segment as well.

    Attributes:
        mean: (frame size,) mean frame of the training data.
        deviation: (frame size,) deviation of the frames from it.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, bundle: Bundle) -> "HiddenSound":
        """What the network of a bundle reads as an average segment; a bundle without sound has no deviation."""
        mean = bundle.config.normalisation.mean_frame
        if bundle.sound is None or bundle.config.network.segment_pooling != "statistics":
            return cls(mean, np.zeros_like(mean))
        return cls(mean, bundle.sound.deviation)

    def frames(self, count: int) -> NDArray[np.float32]:
        """(count, frame size) frames with this mean and, of two or more, this deviation."""
        pairs = count // 2
        signs = np.zeros((count, 1), np.float32)
        if pairs:
            size = (count / (2 * pairs)) ** 0.5
            signs[: 2 * pairs : 2], signs[1 : 2 * pairs : 2] = size, -size
        frames: NDArray[np.float32] = self.mean + signs * self.deviation
        return frames


def occlude(utterance: UtteranceFeatures, hidden: HiddenSound) -> Iterator[UtteranceFeatures]:
    """Variants of an utterance: without the text of each word, then without the sound of each word.

    Args:
        utterance: Features with one segment per word.
        hidden: Replacement for the sound of a word.

    Yields:
        2 · words variants.
    """
    words = utterance.words
    for index in range(len(words)):
        yield replace(utterance, words=(*words[:index], "", *words[index + 1 :]))
    ends = np.cumsum(utterance.frame_counts)
    for start, end in zip(ends - utterance.frame_counts, ends, strict=True):
        frames = utterance.frames.copy()
        frames[start:end] = hidden.frames(int(end - start))
        yield replace(utterance, frames=frames)


def occlude_in_chunks(
    utterances: Iterable[UtteranceFeatures], hidden: HiddenSound, max_words: int = _WORDS_IN_CHUNK
) -> Iterator[list[UtteranceFeatures]]:
    """Variants of all utterances, in order, in chunks to be scored one after the other.

    Args:
        utterances: See `occlude`.
        hidden: See `occlude`.
        max_words: Most words in a chunk of more than one variant.
    """
    chunk: list[UtteranceFeatures] = []
    words = 0
    for variant in (variant for utterance in utterances for variant in occlude(utterance, hidden)):
        if chunk and words + len(variant.words) > max_words:
            yield chunk
            chunk, words = [], 0
        chunk.append(variant)
        words += len(variant.words)
    if chunk:
        yield chunk


def add_effects(scores: Sequence[UtteranceScores], variants: Iterable[UtteranceScores]) -> list[UtteranceScores]:
    """Scores of utterances with the effects of their words.

    Args:
        scores: Scores of the utterances.
        variants: Scores of their variants, in the order of `occlude_in_chunks`.
    """
    remaining = iter(variants)
    return [replace(each, effects=_measure_effects(each, remaining)) for each in scores]


def _measure_effects(scores: UtteranceScores, variants: Iterator[UtteranceScores]) -> WordEffects:
    predicted = int(scores.probabilities.argmax())
    words = len(scores.text_attention)
    rows = [_at_temperature(next(variants), scores.temperature) for _ in range(2 * words)]
    without = np.array([row[predicted] for row in rows])
    text, audio = scores.probabilities[predicted] - without.reshape(2, words)
    return WordEffects(text, audio)


def _at_temperature(scores: UtteranceScores, temperature: float) -> NDArray[np.float64]:
    """(classes,) probabilities of a variant at the temperature of its utterance: only what is left out may differ."""
    log_scores = np.log(np.maximum(scores.probabilities, _LEAST)) * scores.temperature
    return np.exp(log_softmax(log_scores / temperature))
