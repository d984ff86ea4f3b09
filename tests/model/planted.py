"""What the tests of planted signals share: flat data of made utterances, and a short training on it."""

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
NETWORK: Final = NetworkConfig(embedding_dim=16, hidden=16, head_count=2, dropout=0.0, n_mfcc=4)
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
    """One entry per utterance: (frames, n_mfcc), (words,) frames of each, (words,) indices, a label."""
    counts = torch.tensor([len(spoken) for spoken in words])
    return RaggedData(
        frames=torch.from_numpy(np.concatenate(frames).astype(np.float32)),
        frame_counts=torch.from_numpy(np.concatenate(frame_counts)),
        segment_counts=counts,
        words=torch.from_numpy(np.concatenate(words)),
        word_counts=counts,
        labels=torch.tensor(labels),
    )


def say(signs: NDArray[np.float64], lengths: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.float64]:
    """(frames, n_mfcc) in which each word's sound is its sign in noise as loud."""
    return np.repeat(signs, lengths)[:, None] + generator.standard_normal((lengths.sum(), NETWORK.n_mfcc))


def learn(data: RaggedData, vocabulary: int, network: NetworkConfig, training: TrainingConfig) -> Logits:
    """What a network that was trained on the first part says of the last."""
    torch.manual_seed(0)
    table = 0.5 * torch.randn(vocabulary, network.embedding_dim)
    table[0] = 0.0
    test = np.arange(TRAIN, TRAIN + TEST)
    split = Split("planted", np.arange(TRAIN), test[:0], test)
    trained = CrossAttentionNetwork(table, CLASSES, network)
    train_split(trained, [data], split, training, 1.0)
    return predict(trained, data, test)


def accuracy(scores: NDArray[np.floating], data: RaggedData) -> float:
    """Attribution of the last part that is right."""
    return float((scores.argmax(axis=1) == data.labels[TRAIN:].numpy()).mean())
