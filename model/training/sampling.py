"""Order of the utterances of an epoch: all of them once, or draws that balance emotions and corpora."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.config import TrainingConfig
from model.errors import TrainingError

Draw = Callable[[torch.Generator], Iterator[Tensor]]
"""Batches of utterance indices of one epoch."""


def choose_order(
    config: TrainingConfig, train: NDArray[np.int64], labels: NDArray[np.int64], sources: Sequence[str]
) -> Draw:
    """Order of the training utterances as configured.

    Args:
        config: Batch size and balance.
        train: (n,) int64 training utterances.
        labels: (utterances,) int64 label of every utterance.
        sources: Corpus of every utterance.

    Raises:
        TrainingError: No training utterance is of a corpus with a share.
    """
    if not config.balance:
        return lambda generator: _shuffled(torch.from_numpy(train), config.batch_size, generator)
    shares = {name: float(share) for name, _, share in (entry.partition("=") for entry in config.balance)}
    weights = balanced_weights(labels[train], [sources[index] for index in train], shares)
    steps = -(-len(train) // config.batch_size)
    return lambda generator: _drawn(torch.from_numpy(train), weights, steps, config.batch_size, generator)


def balanced_weights(labels: NDArray[np.int64], sources: Sequence[str], shares: Mapping[str, float]) -> Tensor:
    """(utterances,) float64 probabilities: equal for the labels, and of a label by share for the corpora that have it.

    Args:
        labels: (utterances,) int64.
        sources: Corpus of each utterance; one without a share is never drawn.
        shares: Share of each corpus.

    Raises:
        TrainingError: No utterance is of a corpus with a share.
    """
    names = np.array(sources)
    weights = np.zeros(len(labels))
    for label in np.unique(labels):
        cells = {name: np.flatnonzero((labels == label) & (names == name)) for name in shares}
        filled = {name: cell for name, cell in cells.items() if len(cell)}
        for name, cell in filled.items():
            weights[cell] = shares[name] / (sum(shares[other] for other in filled) * len(cell))
    if not weights.any():
        parts = ", ".join(sorted({source for source in sources if source})) or "a corpus without parts"
        raise TrainingError(
            f"training.balance names {', '.join(shares)}, but the utterances are of {parts}; change the setting, or "
            "leave it empty"
        )
    return torch.from_numpy(weights / weights.sum())


def _shuffled(train: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    yield from train[torch.randperm(len(train), generator=generator)].split(size)


def _drawn(train: Tensor, weights: Tensor, steps: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    drawn = torch.multinomial(weights, steps * size, replacement=True, generator=generator)
    yield from train[drawn].split(size)
