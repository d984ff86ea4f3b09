"""Synthetic data with a known signal, and a short training on it, for the tests of the network's mechanisms."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from model.config import AugmentationConfig, NetworkConfig, TrainingConfig
from model.data.batches import RaggedData
from model.data.splits import Split
from model.network.can import CrossAttentionNetwork
from model.training.loop import Logits, predict, train_split

TRAIN: Final = 6_400
TEST: Final = 800
NETWORK: Final = NetworkConfig(embedding_dim=16, hidden=16, head_count=2, dropout=0.0, frame_size=4)
TRAINING: Final = TrainingConfig(
    learning_rate=5e-3, max_epochs=3, patience=0, augmentation=AugmentationConfig(word_dropout=0.0)
)
CLASSES: Final = 4


def to_data(
    frames: Sequence[NDArray[np.float64]],
    frame_counts: Sequence[NDArray[np.int64]],
    words: Sequence[NDArray[np.int64]],
    labels: Sequence[int],
) -> RaggedData:
    """One entry per utterance: (frames, frame size), (words,) frames of each word, (words,) indices, a label."""
    counts = torch.tensor([len(indices) for indices in words])
    return RaggedData(
        frames=torch.from_numpy(np.concatenate(frames).astype(np.float32)),
        frame_counts=torch.from_numpy(np.concatenate(frame_counts)),
        segment_counts=counts,
        words=torch.from_numpy(np.concatenate(words)),
        word_counts=counts,
        labels=torch.tensor(labels),
    )


def synthesise(
    signs: NDArray[np.float64], lengths: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.float64]:
    """(frames, frame size) in which each word's frames are its sign plus noise of the same amplitude."""
    return np.repeat(signs, lengths)[:, None] + generator.standard_normal((lengths.sum(), NETWORK.frame_size))


def train_and_predict(data: RaggedData, vocabulary: int, config: NetworkConfig, training: TrainingConfig) -> Logits:
    """Logits for the test part of a network trained on the training part."""
    torch.manual_seed(0)
    table = 0.5 * torch.randn(vocabulary, config.embedding_dim)
    table[0] = 0.0
    test = np.arange(TRAIN, TRAIN + TEST)
    network = CrossAttentionNetwork(table, CLASSES, config)
    train_split(network, [data], Split("planted", np.arange(TRAIN), test[:0], test), training, 1.0)
    return predict(network, data, test)


def accuracy(scores: NDArray[np.floating], data: RaggedData) -> float:
    """Accuracy on the test part."""
    return float((scores.argmax(axis=1) == data.labels[TRAIN:].numpy()).mean())
