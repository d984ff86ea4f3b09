"""Occlusion: the effect of each word on a prediction, measured by leaving out its text or its sound.

A variant of an utterance has one word replaced by the unknown word, or the frames of one segment by the mean frame of
the training data, which is zero after normalisation. Training hides words in the same way, and segments where the
recipe has `segment_dropout` (`model.training.augmentation`); weights trained without it have never read such a segment.

Source: Zeiler, Fergus 2014, "Visualizing and Understanding Convolutional Networks", Section 4.2.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.features.extraction import UtteranceFeatures
from model.scores import UtteranceScores, WordEffects

# About .2 s of one core: variants do not delay other requests for longer, and their memory is bounded.
_WORDS_IN_CHUNK: Final = 1_024


def occlude(utterance: UtteranceFeatures, mean_frame: NDArray[np.float32]) -> Iterator[UtteranceFeatures]:
    """Variants of an utterance: without the text of each word, then without the sound of each word.

    Args:
        utterance: Features with one segment per word.
        mean_frame: (frame size,) mean of the training frames.

    Yields:
        2 · words variants.
    """
    words = utterance.words
    for index in range(len(words)):
        yield replace(utterance, words=(*words[:index], "", *words[index + 1 :]))
    ends = np.cumsum(utterance.frame_counts)
    for start, end in zip(ends - utterance.frame_counts, ends, strict=True):
        frames = utterance.frames.copy()
        frames[start:end] = mean_frame
        yield replace(utterance, frames=frames)


def occlude_in_chunks(
    utterances: Iterable[UtteranceFeatures], mean_frame: NDArray[np.float32], max_words: int = _WORDS_IN_CHUNK
) -> Iterator[list[UtteranceFeatures]]:
    """Variants of all utterances, in order, in chunks to be scored one after the other.

    Args:
        utterances: See `occlude`.
        mean_frame: See `occlude`.
        max_words: Most words in a chunk of more than one variant.
    """
    chunk: list[UtteranceFeatures] = []
    words = 0
    for variant in (variant for utterance in utterances for variant in occlude(utterance, mean_frame)):
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
    without = np.array([next(variants).probabilities[predicted] for _ in range(2 * words)])
    text, audio = scores.probabilities[predicted] - without.reshape(2, words)
    return WordEffects(text, audio)
