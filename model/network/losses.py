"""What every system is trained towards: a joint answer, and an answer of each single modality where there is one.

Source: Lee, Yoon, Jung 2020, Section 3.3. Eq. (15), how the answers become one, is `model.scores.final_log_scores`.
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
    def singles(self) -> dict[str, Tensor]:
        """(batch, classes) by modality; empty for a system that has one answer."""


@dataclass(frozen=True, slots=True, eq=False)
class JointPrediction:
    """One answer, as the compared systems give."""

    joint: Tensor
    singles: dict[str, Tensor] = field(default_factory=dict)


def training_loss(prediction: Prediction, labels: Tensor, alpha: float, smoothing: float = 0.0) -> Tensor:
    """Mean of CE(ŷ, y) + α · Σ CE of the single modalities; `smoothing` 0 is the paper's.

    Source: Lee, Yoon, Jung 2020, Section 3.3, Eqs. (13) and (14).
    """

    def cross_entropy(logits: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)

    loss = cross_entropy(prediction.joint)
    if alpha:
        loss = loss + alpha * sum(cross_entropy(logits) for logits in prediction.singles.values())
    return loss
