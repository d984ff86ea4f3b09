"""That cross attention works, and not only runs: a signal that nothing but the crossed context can carry.

Four classes: one bit is which of two marker words stands among random words, the other is the sound under the marker;
the sound under every other word is as loud and says something random. The text query finds the marker, and only c^TA
carries that look to the sound. The marker is short and the other words' lengths differ by a factor of ten, so that
equal segmentation cuts the sound elsewhere.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import torch

from model.batching import RaggedData
from model.can import CrossAttentionNetwork
from model.config import AugmentationConfig, NetworkConfig, TrainingConfig
from model.crossval import Split
from model.training import Logits, predict, train_split

TRAIN, TEST = 6_400, 800
NETWORK = NetworkConfig(embedding_dim=16, hidden=16, heads=2, dropout=0.0, n_mfcc=4)
TRAINING = TrainingConfig(
    learning_rate=5e-3, max_epochs=3, patience=0, augmentation=AugmentationConfig(word_dropout=0.0)
)
WORDS = 20


def planted(equal: bool) -> RaggedData:
    """Utterances of 6 to 10 words; with `equal`, the same sound in as many equal pieces."""
    generator = np.random.default_rng(0)
    frames, frame_counts, word_counts, words, labels = [], [], [], [], []
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
        frames.append(np.repeat(signs, lengths)[:, None] + generator.standard_normal((lengths.sum(), 4)))
        if equal:
            lengths = np.diff(np.linspace(0, lengths.sum(), count + 1).round().astype(int))
        frame_counts.append(lengths)
        word_counts.append(count)
        words.append(spoken)
        labels.append(2 * text_bit + sound_bit)
    counts = torch.tensor(word_counts)
    return RaggedData(
        frames=torch.from_numpy(np.concatenate(frames).astype(np.float32)),
        frame_counts=torch.from_numpy(np.concatenate(frame_counts)),
        segment_counts=counts,
        words=torch.from_numpy(np.concatenate(words)),
        word_counts=counts,
        labels=torch.tensor(labels),
    )


@cache
def learn(equal: bool, cross: bool) -> tuple[Logits, float]:
    """What a trained network says of the test part, and how much of it is right."""
    data = planted(equal)
    torch.manual_seed(0)
    table = 0.5 * torch.randn(WORDS, NETWORK.embedding_dim)
    table[0] = 0.0
    config = NETWORK if cross else replace(NETWORK, cross_attention=False, stop_gradient=False)
    training = TRAINING if cross else replace(TRAINING, alpha=0.0)
    test = np.arange(TRAIN, TRAIN + TEST)
    split = Split("planted", np.arange(TRAIN), test[:0], test)
    trained = train_split(CrossAttentionNetwork(table, 4, config), [data], split, training, 1.0)
    said = predict(trained.network, data, test)
    return said, accuracy(said.final(training.alpha))


def accuracy(scores: np.ndarray) -> float:
    return float((scores.argmax(axis=1) == planted_labels()).mean())


@cache
def planted_labels() -> np.ndarray:
    return planted(equal=False).labels[TRAIN:].numpy()


def test_aligned_segments_and_cross_attention_find_it() -> None:
    assert learn(equal=False, cross=True)[1] > 0.93


def test_equal_segments_lose_it() -> None:
    assert learn(equal=True, cross=True)[1] < 0.75


def test_without_cross_attention_it_is_hard_to_find() -> None:
    assert learn(equal=False, cross=False)[1] < learn(equal=False, cross=True)[1] - 0.15


def test_neither_modality_alone_can_tell_all_four() -> None:
    said, _ = learn(equal=False, cross=True)
    assert accuracy(said.singles["text"]) < 0.6
    assert accuracy(said.singles["audio"]) < 0.6
