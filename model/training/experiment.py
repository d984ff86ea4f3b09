"""One system on one corpus: everything that a fold needs, and the fold itself."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from alignment.features.extraction import FeatureSpec
from model.bundle import Normalisation
from model.config import NetworkConfig, TrainingConfig
from model.data.prepared import PreparedData, choose_normalisation, to_ragged
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
