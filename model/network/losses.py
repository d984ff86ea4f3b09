"""Training loss of every system, over the joint head and, where a system has them, the unimodal heads.

Source: Lee, Yoon, Jung 2020, Section 3.3. Eq. (15), the combination of the heads, is `model.scores.final_log_scores`.
"""

from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor
from torch.nn import functional


class Prediction(Protocol):
    """Logits of a batch."""

    @property
    def joint(self) -> Tensor:
        """(batch, classes)."""

    @property
    def unimodal(self) -> dict[str, Tensor]:
        """(batch, classes) by modality; empty for a system without unimodal heads."""


@dataclass(frozen=True, slots=True, eq=False)
class JointPrediction:
    """Logits of a system with a joint head only."""

    joint: Tensor
    unimodal: dict[str, Tensor] = field(default_factory=dict)


def training_loss(
    prediction: Prediction, targets: Tensor, alpha: float, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Mean of CE(ŷ, y) + α · Σ CE of the unimodal heads; the paper's `smoothing` is 0.

    Args:
        prediction: Logits.
        targets: (batch,) int64 labels, or (batch, classes) probabilities.
        alpha: Weight α of the unimodal heads.
        smoothing: Label smoothing.
        weights: (classes,) weight of each class; None for equal weights, as in the paper.

    Source: Lee, Yoon, Jung 2020, Section 3.3, Eqs. (13) and (14).
    """

    def cross_entropy(logits: Tensor) -> Tensor:
        return functional.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)

    loss = cross_entropy(prediction.joint)
    if alpha:
        loss = loss + alpha * sum(cross_entropy(logits) for logits in prediction.unimodal.values())
    return loss
