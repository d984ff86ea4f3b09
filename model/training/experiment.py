"""An experiment (one system on one corpus) and the training of one of its folds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import torch
from torch import nn

from alignment.features.extraction import FeatureSpec
from model.bundle import Normalisation
from model.config import NetworkConfig, TrainingConfig
from model.data.prepared import PreparedData, choose_normalisation, to_ragged
from model.data.splits import Split
from model.network.compression import round_embeddings
from model.training.fine_tuning import begin_with
from model.training.loop import Epoch, Logits, predict, train_split
from model.training.recipes import Recipe
from model.training.systems import SYSTEMS
from model.training.used_words import used_words


@dataclass(frozen=True, slots=True)
class Experiment:
    """A recipe applied to a corpus, as recorded with every run and result.

    Attributes:
        corpus: Name and size of the corpus.
        labels: Classes, in order.
        features: Feature extraction.
        network: Shape of the network.
        training: Training configuration.
        vectors: Source of the word vectors.
        system: Key in `model.training.systems.SYSTEMS`.
    """

    corpus: str
    labels: tuple[str, ...]
    features: FeatureSpec
    network: NetworkConfig
    training: TrainingConfig
    vectors: str
    system: str = "can"

    @property
    def recipe(self) -> Recipe:
        """The settings without the corpus."""
        return Recipe(self.features, self.network, self.training)


@dataclass(frozen=True, slots=True, eq=False)
class TrainedFold:
    """Network of one fold, its learning curve, and its predictions for utterances it was not trained on.

    Attributes:
        network: Network with the best weights, on the CPU.
        best_epoch: Epoch of these weights.
        history: Learning curve.
        normalisation: Normalisation of the training frames.
        validation: Logits of the validation part; None without one.
        test: Logits of the test part; None without one.
    """

    network: nn.Module
    best_epoch: int
    history: list[Epoch]
    normalisation: Normalisation
    validation: Logits | None = None
    test: Logits | None = None


def retest_fold(
    trained: TrainedFold, data: PreparedData, other: PreparedData, split: Split, device: str = "cpu"
) -> TrainedFold:
    """Test the network of a fold on other words, times and features of the same utterances.

    Args:
        trained: Network trained on `data`.
        data: Data of the training, whose vocabulary and vectors the network has.
        other: Data of the test.
        split: Utterances.
        device: Test device.
    """
    ragged = to_ragged(other.by_speed[0], data.embeddings, other.labels, trained.normalisation).to(device)
    network = trained.network.to(device)
    validation, test = (
        predict(network, ragged, part) if len(part) else None for part in (split.validation, split.test)
    )
    return replace(trained, network=network.cpu(), validation=validation, test=test)


def train_fold(
    experiment: Experiment,
    data: PreparedData,
    split: Split,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    device: str = "cpu",
) -> TrainedFold:
    """Train and test the experiment's system on one split; the whole corpus is held on the device."""
    initial = data.initial
    if initial is None:
        normalisation = choose_normalisation(data.by_speed[0], split.train, experiment.training)
    else:
        normalisation = initial.normalisation
    ragged = [to_ragged(features, data.embeddings, data.labels, normalisation).to(device) for features in data.by_speed]
    torch.manual_seed(experiment.training.seed)
    table = torch.from_numpy(data.embeddings.table.copy())
    network = SYSTEMS[experiment.system].build(table, len(experiment.labels), experiment.network)
    if initial is not None:
        begin_with(network, initial, experiment.labels)
    network = network.to(device)
    has_level = experiment.features.front_end != "encoder"
    level = normalisation.std[0] / experiment.features.mfcc.n_mels**0.5 if has_level else inf
    with used_words(network, ragged) as compact:
        best_epoch, history = train_split(network, compact, split, experiment.training, level, on_epoch, data.sources)
    if experiment.training.rounded_vectors:
        round_embeddings(network)
    validation, test = (
        predict(network, ragged[0], part) if len(part) else None for part in (split.validation, split.test)
    )
    return TrainedFold(network.cpu(), best_epoch, history, normalisation, validation, test)
