"""That cross attention works, and not only runs: a signal that nothing but the crossed context can carry.

Four classes: one bit is which of two marker words stands among random words, the other is the sound under the marker;
the sound under every other word is as loud and says something random. The text query finds the marker, and only c^TA
carries that look to the sound. The marker is short and the other words' lengths differ by a factor of ten, so that
equal segmentation cuts the sound elsewhere.
"""

from dataclasses import replace
from functools import cache

import numpy as np

from model.data.batches import RaggedData
from model.training.loop import Logits
from tests.model.planted import NETWORK, TEST, TRAIN, TRAINING, accuracy, learn, say, to_data

WORDS = 20


@cache
def planted(equal: bool) -> RaggedData:
    """Utterances of 6 to 10 words; with `equal`, the same sound in as many equal pieces."""
    generator = np.random.default_rng(0)
    frames, frame_counts, words, labels = [], [], [], []
    for _ in range(TRAIN + TEST):
        count = int(generator.integers(6, 11))
        marker = int(generator.integers(count))
        text_bit, sound_bit = generator.integers(2, size=2)
        spoken = generator.integers(4, WORDS, count)
        spoken[marker] = 2 + text_bit
        signs = generator.choice([-1.0, 1.0], count)
        signs[marker] = 2 * sound_bit - 1
        lengths = np.exp(generator.uniform(np.log(3), np.log(41), count)).astype(int)
        lengths[marker] = generator.integers(3, 7)
        frames.append(say(signs, lengths, generator))
        if equal:
            lengths = np.diff(np.linspace(0, lengths.sum(), count + 1).round().astype(int))
        frame_counts.append(lengths)
        words.append(spoken)
        labels.append(2 * text_bit + sound_bit)
    return to_data(frames, frame_counts, words, labels)


@cache
def found(equal: bool, cross: bool) -> tuple[Logits, float]:
    """What a trained network says of the test part, and how much of it is right."""
    network = NETWORK if cross else replace(NETWORK, cross_attention=False, stop_gradient=False)
    training = TRAINING if cross else replace(TRAINING, alpha=0.0)
    data = planted(equal)
    said = learn(data, WORDS, network, training)
    return said, accuracy(said.final(training.alpha), data)


def test_aligned_segments_and_cross_attention_find_it() -> None:
    assert found(equal=False, cross=True)[1] > 0.93


def test_equal_segments_lose_it() -> None:
    assert found(equal=True, cross=True)[1] < 0.75


def test_without_cross_attention_it_is_hard_to_find() -> None:
    assert found(equal=False, cross=False)[1] < found(equal=False, cross=True)[1] - 0.15


def test_neither_modality_alone_can_tell_all_four() -> None:
    said, _ = found(equal=False, cross=True)
    assert accuracy(said.unimodal["text"], planted(equal=False)) < 0.6
    assert accuracy(said.unimodal["audio"], planted(equal=False)) < 0.6
