"""Effect of the stop-gradient: a shortcut that only the gradient through the other modality follows.

As in test_planted_signal.py, one bit is which of two marker words occurs and the other is the audio of the marker,
correct nine times in ten. Every utterance also contains a third word that is uninformative as text. Its audio agrees
with the audio bit almost always in training and only by chance in the test part, like an artefact of a recording. With
the stop-gradient the text query attends to what is informative as text, the marker; without it, the audio pulls it to
the third word. (If the shortcut held in the test part, the same pull would help.)
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from model.data.batches import RaggedData
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

WORDS = 21
SHORTCUT = 4
MARKER_IS_CORRECT, SHORTCUT_IS_CORRECT = 0.9, 0.98


@cache
def misleading() -> RaggedData:
    """Utterances of 6 to 10 words; the shortcut does not hold in the test part."""
    generator = np.random.default_rng(0)
    frames, frame_counts, words, labels = [], [], [], []
    for index in range(TRAIN + TEST):
        count = int(generator.integers(6, 11))
        marker, shortcut = generator.choice(count, 2, replace=False)
        text_bit, audio_bit = generator.integers(2, size=2)
        indices = generator.integers(SHORTCUT + 1, WORDS, count)
        indices[[marker, shortcut]] = 2 + text_bit, SHORTCUT
        signs = generator.choice([-1.0, 1.0], count)
        true = 2 * audio_bit - 1
        signs[marker] = true if generator.random() < MARKER_IS_CORRECT else -true
        if index < TRAIN:
            signs[shortcut] = true if generator.random() < SHORTCUT_IS_CORRECT else -true
        lengths = generator.integers(3, 7, count)
        frames.append(synthesise(signs, lengths, generator))
        frame_counts.append(lengths)
        words.append(indices)
        labels.append(2 * text_bit + audio_bit)
    return to_data(frames, frame_counts, words, labels)


def accuracy_with(*, stop_gradient: bool) -> float:
    data = misleading()
    logits = train_and_predict(data, WORDS, replace(NETWORK, stop_gradient=stop_gradient), TRAINING)
    return accuracy(logits.final(TRAINING.alpha), data)


def test_stop_gradient_prevents_shortcut_through_audio() -> None:
    assert accuracy_with(stop_gradient=True) > 0.7
    assert accuracy_with(stop_gradient=False) < 0.6
