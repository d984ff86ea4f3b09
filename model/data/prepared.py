"""A corpus ready to train on: features, word vectors, labels, normalisation, and the same as flat tensors."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.bundle import Normalisation
from model.config import TrainingConfig
from model.data.batches import RaggedData
from model.data.embeddings import Embeddings
from model.data.features import FeatureSet
from model.data.initial import InitialWeights


@dataclass(frozen=True, slots=True, eq=False)
class PreparedData:
    """A corpus ready to train on.

    Attributes:
        by_speed: Features at each speed of the augmentation, the true speed first.
        embeddings: Vocabulary and table.
        labels: (utterances,) int64 index into the experiment's labels.
        names: Names of the utterances.
        sources: Corpus of each utterance of a mixed corpus; empty strings for others.
        initial: Weights that training begins with; None for random ones.
    """

    by_speed: tuple[FeatureSet, ...]
    embeddings: Embeddings
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    sources: tuple[str, ...] = ()
    initial: InitialWeights | None = None


def choose_normalisation(features: FeatureSet, utterances: NDArray[np.int64], config: TrainingConfig) -> Normalisation:
    """Normalisation fitted on some utterances, or the identity if `config.normalise` is false."""
    if config.normalise:
        return fit_normalisation(features, utterances)
    frame_size = features.frames.shape[1]
    return Normalisation((0.0,) * frame_size, (1.0,) * frame_size)


def fit_normalisation(features: FeatureSet, utterances: NDArray[np.int64]) -> Normalisation:
    """Mean and standard deviation of each value over the frames of some utterances."""
    edges = np.concatenate(([0], np.cumsum(features.frame_counts)))
    lasts = np.cumsum(features.segment_counts)
    total, squares, count = np.zeros(features.frames.shape[1]), np.zeros(features.frames.shape[1]), 0
    for index in utterances:
        start, end = edges[lasts[index] - features.segment_counts[index]], edges[lasts[index]]
        frames = features.frames[start:end].astype(np.float64)
        total, squares, count = total + frames.sum(axis=0), squares + (frames**2).sum(axis=0), count + len(frames)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    return Normalisation(tuple(mean.tolist()), tuple(std.tolist()))


@dataclass(frozen=True, slots=True, eq=False)
class FrameSummary:
    """What the frames of each utterance are like.

    Attributes:
        means: (utterances, frame size) float32 means over the frames.
        variances: (utterances, frame size) float32 mean squared deviations from the mean of the own segment.
        counts: (utterances,) int64 numbers of frames.
    """

    means: NDArray[np.float32]
    variances: NDArray[np.float32]
    counts: NDArray[np.int64]


def summarise_frames(features: FeatureSet) -> FrameSummary:
    """Summary of every utterance of a feature set."""
    lasts = np.cumsum(features.segment_counts)
    edges = np.concatenate(([0], np.cumsum(features.frame_counts)))
    means, variances, totals = [], [], []
    for first, last in zip(lasts - features.segment_counts, lasts, strict=True):
        frames = features.frames[edges[first] : edges[last]].astype(np.float32)
        counts = features.frame_counts[first:last]
        starts = edges[first:last] - edges[first]
        own = np.add.reduceat(frames, starts) / counts[:, None]
        means.append(frames.mean(axis=0))
        variances.append(np.square(frames - np.repeat(own, counts, axis=0)).mean(axis=0))
        totals.append(len(frames))
    return FrameSummary(np.array(means), np.array(variances), np.array(totals, np.int64))


def to_ragged(
    features: FeatureSet, embeddings: Embeddings, labels: NDArray[np.int64], normalisation: Normalisation
) -> RaggedData:
    """Flat tensors of a feature set, and its normalisation."""
    words = [index for row in features.words for index in embeddings.vocabulary.indices(row)]
    return RaggedData(
        frames=torch.from_numpy(np.array(features.frames)),
        frame_counts=torch.from_numpy(np.array(features.frame_counts)),
        segment_counts=torch.from_numpy(np.array(features.segment_counts)),
        words=torch.tensor(words),
        word_counts=torch.tensor([len(row) for row in features.words]),
        labels=torch.from_numpy(labels),
        mean=torch.tensor(normalisation.mean),
        std=torch.tensor(normalisation.std),
    )
