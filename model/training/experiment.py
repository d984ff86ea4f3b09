"""One system on one corpus: everything that a fold needs, and the fold itself."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from alignment.features.extraction import FeatureSpec
from model.bundle import Normalisation
from model.config import NetworkConfig, TrainingConfig
from model.data.batches import RaggedData
from model.data.embeddings import Embeddings
from model.data.features import FeatureSet
from model.data.splits import Split
from model.network.compression import round_embeddings
from model.training.loop import Epoch, Logits, TrainedSplit, predict, train_split
from model.training.systems import SYSTEMS


@dataclass(frozen=True, slots=True)
class Experiment:
    """Every choice, as it is recorded with each result.

    Attributes:
        system: row of the tables, see `model.training.systems`.
        corpus: its name and size.
        labels: classes, in order.
        features: how features are computed.
        network: shape.
        training: how it is trained.
        vectors: where the word vectors come from.
    """

    corpus: str
    labels: tuple[str, ...]
    features: FeatureSpec
    network: NetworkConfig
    training: TrainingConfig
    vectors: str
    system: str = "can"


@dataclass(frozen=True, slots=True, eq=False)
class PreparedData:
    """A corpus ready to train on.

    Attributes:
        by_speed: features at each speed of the augmentation, the true speed first.
        embeddings: vocabulary and table.
        labels: (utterances,) int64 index into the experiment's labels.
        names: of the utterances.
    """

    by_speed: tuple[FeatureSet, ...]
    embeddings: Embeddings
    labels: NDArray[np.int64]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FoldOutcome:
    """A trained fold and what it says of the utterances that it was not trained on.

    Attributes:
        trained: network and learning curve.
        normalisation: of its training frames.
        validation: logits of the validation part; None when there is none.
        test: logits of the test part; None when there is none.
    """

    trained: TrainedSplit[nn.Module]
    normalisation: Normalisation
    validation: Logits | None
    test: Logits | None


def choose_normalisation(features: FeatureSet, utterances: NDArray[np.int64], config: TrainingConfig) -> Normalisation:
    """That of some utterances' frames, or none, as the configuration says."""
    if config.normalise:
        return fit_normalisation(features, utterances)
    n_mfcc = features.frames.shape[1]
    return Normalisation((0.0,) * n_mfcc, (1.0,) * n_mfcc)


def fit_normalisation(features: FeatureSet, utterances: NDArray[np.int64]) -> Normalisation:
    """Per-coefficient mean and deviation over the frames of some utterances."""
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


def to_ragged(
    features: FeatureSet, embeddings: Embeddings, labels: NDArray[np.int64], normalisation: Normalisation
) -> RaggedData:
    """Flat tensors of a feature set, normalised."""
    words = [index for row in features.words for index in embeddings.vocabulary.indices(row)]
    return RaggedData(
        frames=torch.from_numpy(normalisation.apply(features.frames)),
        frame_counts=torch.from_numpy(np.array(features.frame_counts)),
        segment_counts=torch.from_numpy(np.array(features.segment_counts)),
        words=torch.tensor(words),
        word_counts=torch.tensor([len(row) for row in features.words]),
        labels=torch.from_numpy(labels),
    )


def run_fold(
    experiment: Experiment,
    data: PreparedData,
    split: Split,
    report: Callable[[Epoch], None] = lambda epoch: None,
    device: str = "cpu",
) -> FoldOutcome:
    """Trains on one split and tests; the whole corpus lies on the device, and the trained network on the CPU again."""
    normalisation = choose_normalisation(data.by_speed[0], split.train, experiment.training)
    ragged = [to_ragged(features, data.embeddings, data.labels, normalisation).to(device) for features in data.by_speed]
    torch.manual_seed(experiment.training.seed)
    table = torch.from_numpy(data.embeddings.table.copy())
    network = SYSTEMS[experiment.system].build(table, len(experiment.labels), experiment.network).to(device)
    level = normalisation.std[0] / experiment.features.mfcc.n_mels**0.5
    trained = train_split(network, ragged, split, experiment.training, level, report)
    round_embeddings(trained.network)
    validation, test = (
        predict(trained.network, ragged[0], part) if len(part) else None for part in (split.validation, split.test)
    )
    trained.network.cpu()
    return FoldOutcome(trained, normalisation, validation, test)
