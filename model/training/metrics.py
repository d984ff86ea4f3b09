"""How good predictions are. WA and UA are the field's names; precision stands beside them on purpose.

Earlier figures of this line of papers were precision reported as accuracy, so that a reader needs both to tell which
one a published number is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, precision_score, recall_score


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one test set.

    Attributes:
        count: utterances.
        wa: weighted accuracy, the share that is right.
        ua: unweighted accuracy, the mean of the classes' recalls.
        weighted_precision: mean precision of the classes, weighted by their share.
        macro_precision: plain mean of it.
        recall: of each class.
        confusion: [true][predicted] counts.
        calibration_error: expected calibration error in 15 equal bins of confidence.
    """

    count: int
    wa: float
    ua: float
    weighted_precision: float
    macro_precision: float
    recall: list[float]
    confusion: list[list[int]]
    calibration_error: float


def compute_metrics(log_scores: NDArray[np.float64], labels: NDArray[np.int64]) -> Metrics:
    """Metrics of final log-scores.

    Args:
        log_scores: (utterances, classes), any constant per row.
        labels: (utterances,) true classes; classes that do not occur are left out of UA and macro precision.
    """
    classes = np.arange(log_scores.shape[1])
    present = np.unique(labels)
    predicted = log_scores.argmax(axis=1)
    recall = recall_score(labels, predicted, labels=classes, average=None, zero_division=0)
    return Metrics(
        count=len(labels),
        wa=float(accuracy_score(labels, predicted)),
        ua=float(recall[present].mean()),
        weighted_precision=float(precision_score(labels, predicted, average="weighted", zero_division=0)),
        macro_precision=float(precision_score(labels, predicted, labels=present, average="macro", zero_division=0)),
        recall=[float(value) for value in recall],
        confusion=confusion_matrix(labels, predicted, labels=classes).tolist(),
        calibration_error=calibration_error(log_scores, labels),
    )


def calibration_error(log_scores: NDArray[np.float64], labels: NDArray[np.int64], bins: int = 15) -> float:
    """Expected calibration error: mean distance of confidence and accuracy, over bins of confidence.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", ICML.
    """
    shifted = log_scores - log_scores.max(axis=1, keepdims=True)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[bin_of == b].sum() - right[bin_of == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(labels))
