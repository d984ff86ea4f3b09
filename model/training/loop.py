"""Training of one split.

Source: Lee, Yoon, Jung 2020, Sections 3.3 and 4.2: Adam, gradients clipped to norm 1, early stopping on validation.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import cos, log, pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.config import TrainingConfig
from model.data.batches import Batch, RaggedData
from model.data.splits import Split
from model.errors import DivergenceError
from model.network.losses import Prediction, training_loss
from model.scores import final_log_scores
from model.training.augmentation import Augmenter
from model.training.sampling import choose_order

_EVALUATION_BATCH = 256
_WARM_UP_SHARE = 0.05
_EXPLODED = 100


@dataclass(frozen=True, slots=True)
class Epoch:
    """One point of the learning curve; the validation metrics are 0 without a validation part."""

    number: int
    loss: float
    validation_wa: float
    validation_loss: float

    def __str__(self) -> str:
        validation = f", validation WA {self.validation_wa:.3f}" if self.validation_loss else ""
        return f"loss {self.loss:.3f}{validation}"


@dataclass(frozen=True, slots=True, eq=False)
class Logits:
    """Logits of each head, (utterances, classes); `unimodal` is empty for a system without unimodal heads."""

    joint: NDArray[np.float32]
    unimodal: dict[str, NDArray[np.float32]]

    def final(self, alpha: float) -> NDArray[np.float64]:
        """(utterances, classes) log-scores of Eq. (15)."""
        return final_log_scores(self.joint, self.unimodal.values(), alpha)

    @property
    def heads(self) -> dict[str, NDArray[np.float32]]:
        """Logits of all heads by name."""
        return {"joint": self.joint, **self.unimodal}


def train_split(
    network: nn.Module,
    by_speed: Sequence[RaggedData],
    split: Split,
    config: TrainingConfig,
    deviation_of_level: float,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    sources: Sequence[str] = (),
) -> tuple[int, list[Epoch]]:
    """Train a network in place until validation no longer improves, and restore its best weights.

    Args:
        network: Network with its initial weights.
        by_speed: Data at each speed of the augmentation, the true speed first.
        split: Training and validation utterances.
        config: Training configuration.
        deviation_of_level: See `Augmenter`.
        on_epoch: Called after every epoch.
        sources: Corpus of each utterance, for a balanced training.

    Returns:
        Number of the best epoch, and the learning curve.

    Raises:
        DivergenceError: The loss is not finite, or exceeds that of guessing a hundredfold.
    """
    generator = torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)
    augmenter = Augmenter(by_speed, config, deviation_of_level, generator)
    draw = choose_order(config, split.train, by_speed[0].labels.cpu().numpy(), sources)
    step = _Stepper(network, config, steps=config.max_epochs * -(-len(split.train) // config.batch_size))
    if config.class_weights:
        step.weights = weigh_classes(by_speed[0].labels, split.train)
    limit = _EXPLODED * _loss_of_guessing(by_speed[0], config.alpha)
    best_epoch, history = 0, []
    best: tuple[float, float] = (-1.0, 0.0)
    weights = deepcopy(network.state_dict())
    for number in range(1, config.max_epochs + 1):
        network.train()
        losses = []
        for utterances in draw(generator):
            losses.append(step(augmenter, utterances))
            _check_loss(losses[-1], limit, number, config)
        candidate = step.averaged()
        wa, loss = _validate(candidate, by_speed[0], split.validation, config.alpha)
        history.append(Epoch(number, float(np.mean(losses)), wa, loss))
        on_epoch(history[-1])
        if (wa, -loss) > best or not config.patience:
            best, best_epoch = (wa, -loss), number
            weights = deepcopy(candidate.state_dict())
        if config.patience and number - best_epoch >= config.patience:
            break
    network.load_state_dict(weights)
    network.eval()
    return best_epoch, history


def _loss_of_guessing(data: RaggedData, alpha: float) -> float:
    """Loss of equal probabilities."""
    return log(max(2, int(data.labels.max()) + 1)) * (1 + 2 * alpha)


def _check_loss(loss: float, limit: float, epoch: int, config: TrainingConfig) -> None:
    if not loss <= limit:  # false for NaN too
        raise DivergenceError(epoch, loss, config.learning_rate)


def predict(network: nn.Module, data: RaggedData, utterances: NDArray[np.int64]) -> Logits:
    """Logits of some utterances, in order."""
    network.eval()
    batches: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    with torch.no_grad():
        for indices in torch.from_numpy(utterances).split(_EVALUATION_BATCH):
            prediction: Prediction = network(data.batch(indices))
            for head, logits in {"joint": prediction.joint, **prediction.unimodal}.items():
                batches[head].append(logits.cpu().numpy())
    heads = {head: np.concatenate(rows) for head, rows in batches.items()}
    return Logits(heads.pop("joint"), heads)


class _Stepper:
    """Optimiser steps and the moving average of the weights."""

    def __init__(self, network: nn.Module, config: TrainingConfig, steps: int) -> None:
        self._network, self._config = network, config
        tables = [layer.weight for layer in network.modules() if isinstance(layer, nn.Embedding)]
        others = [parameter for parameter in network.parameters() if all(parameter is not table for table in tables)]
        for table in tables:
            table.requires_grad_(config.embedding_rate > 0)
        rate = config.learning_rate * config.embedding_rate
        groups: list[dict[str, Any]] = [{"params": tables, "weight_decay": 0.0, "lr": rate}, {"params": others}]
        self._optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(self._optimiser, _schedule(config.schedule, steps))
        self._average = deepcopy(network) if config.averaging else None
        self._taken = 0
        self.weights: Tensor | None = None

    def __call__(self, augmenter: Augmenter, utterances: Tensor) -> float:
        """Take one step; return the loss before it."""
        batch = augmenter.batch(utterances)
        prediction, config = self._network(batch), self._config
        targets = _targets(batch, prediction)
        loss = training_loss(prediction, targets, config.alpha, config.label_smoothing, self.weights)
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._config.clip_norm)
        self._optimiser.step()
        self._scheduler.step()
        self._taken += 1
        self._update_average()
        return float(loss.detach())

    def averaged(self) -> nn.Module:
        """Network with the averaged weights if averaging is on, else the trained network."""
        return self._average or self._network

    def _update_average(self) -> None:
        if self._average is None:
            return
        # A smaller decay in the first steps keeps the random initial weights out of the average.
        decay = min(self._config.averaging, self._taken / (self._taken + 10))
        with torch.no_grad():
            for average, value in zip(self._average.parameters(), self._network.parameters(), strict=True):
                average.lerp_(value, 1 - decay)
            for kept, current in zip(self._average.buffers(), self._network.buffers(), strict=True):
                kept.copy_(current)


def _targets(batch: Batch, prediction: Prediction) -> Tensor:
    """Labels or, of mixed utterances, probabilities; repeated for each of several averaged networks."""
    members, classes = len(prediction.joint) // len(batch.labels), prediction.joint.shape[1]
    targets = batch.labels if batch.mix is None else batch.mix.blend_labels(batch.labels, classes)
    return torch.cat([targets] * members)


def weigh_classes(labels: Tensor, train: NDArray[np.int64]) -> Tensor:
    """(classes,) inverse of the share of each class among the training utterances; 1 for even classes, 0 for none.

    Args:
        labels: (utterances,) int64 label of every utterance.
        train: (n,) int64 training utterances.
    """
    counts = torch.bincount(labels[torch.from_numpy(train).to(labels.device)], minlength=int(labels.max()) + 1)
    weights = len(train) / (counts * (counts > 0).sum())
    return torch.where(counts > 0, weights, torch.zeros_like(weights))


def _schedule(name: str, steps: int) -> Callable[[int], float]:
    """Factor of the learning rate by step."""
    if name == "constant":
        return lambda step: 1.0
    warm_up = max(1, round(_WARM_UP_SHARE * steps))
    return lambda step: min(1.0, (step + 1) / warm_up) * (1 + cos(pi * min(1.0, step / steps))) / 2


def _validate(network: nn.Module, data: RaggedData, utterances: NDArray[np.int64], alpha: float) -> tuple[float, float]:
    """WA and mean negative log-likelihood of Eq. (15)."""
    if not len(utterances):
        return 0.0, 0.0
    labels = data.labels[torch.from_numpy(utterances)].cpu().numpy()
    scores = torch.from_numpy(predict(network, data, utterances).final(alpha)).log_softmax(dim=1).numpy()
    wa = float((scores.argmax(axis=1) == labels).mean())
    return wa, float(-scores[np.arange(len(labels)), labels].mean())
