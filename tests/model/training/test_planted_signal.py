"""Effect of cross attention: a signal that only the crossed context can carry.

Four classes: one bit is which of two marker words occurs among random words, the other is the audio of the marker; the
audio of every other word is as loud and random. The text query attends to the marker, and only c^TA applies this
attention to the audio. The marker is short and the lengths of the other words differ by a factor of ten, so that equal
segmentation separates it from its audio.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from model.data.batches import RaggedData
from model.training.loop import Logits
from tests.model.training.planted import (
    NETWORK,
    TEST,
    TRAIN,
    TRAINING,
    accuracy,
    synthesise,
    to_data,
    train_and_predict,
)

pytestmark = pytest.mark.slow

WORDS = 20


@cache
def planted(equal: bool) -> RaggedData:
    """Utterances of 6 to 10 words; with `equal`, the same audio in as many equal segments."""
    generator = np.random.default_rng(0)
    frames, frame_counts, words, labels = [], [], [], []
    for _ in range(TRAIN + TEST):
        count = int(generator.integers(6, 11))
        marker = int(generator.integers(count))
        text_bit, audio_bit = generator.integers(2, size=2)
        indices = generator.integers(4, WORDS, count)
        indices[marker] = 2 + text_bit
        signs = generator.choice([-1.0, 1.0], count)
        signs[marker] = 2 * audio_bit - 1
        lengths = np.exp(generator.uniform(np.log(3), np.log(41), count)).astype(int)
        lengths[marker] = generator.integers(3, 7)
        frames.append(synthesise(signs, lengths, generator))
        if equal:
            lengths = np.diff(np.linspace(0, lengths.sum(), count + 1).round().astype(int))
        frame_counts.append(lengths)
        words.append(indices)
        labels.append(2 * text_bit + audio_bit)
    return to_data(frames, frame_counts, words, labels)


@cache
def trained(equal: bool, cross: bool) -> tuple[Logits, float]:
    """Logits and accuracy of a trained network on the test part."""
    network = NETWORK if cross else replace(NETWORK, cross_attention=False, stop_gradient=False)
    training = TRAINING if cross else replace(TRAINING, alpha=0.0)
    data = planted(equal)
    logits = train_and_predict(data, WORDS, network, training)
    return logits, accuracy(logits.final(training.alpha), data)


def test_aligned_segments_and_cross_attention_detect_signal() -> None:
    assert trained(equal=False, cross=True)[1] > 0.93


def test_equal_segments_lose_signal() -> None:
    assert trained(equal=True, cross=True)[1] < 0.75


def test_accuracy_is_lower_without_cross_attention() -> None:
    assert trained(equal=False, cross=False)[1] < trained(equal=False, cross=True)[1] - 0.15


def test_unimodal_heads_cannot_separate_all_classes() -> None:
    logits, _ = trained(equal=False, cross=True)
    assert accuracy(logits.unimodal["text"], planted(equal=False)) < 0.6
    assert accuracy(logits.unimodal["audio"], planted(equal=False)) < 0.6
