"""Metrics of predictions (WA, UA, precision, recall, confusion, calibration error) and temperature scaling.

Precision is reported in addition to WA and UA because earlier papers of this line reported precision as accuracy; both
are needed to identify a published number.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.metrics import accuracy_score, confusion_matrix, precision_score, recall_score

from model.scores import log_softmax


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of one test set.

    Attributes:
        count: Number of utterances.
        wa: Weighted accuracy, the share of correct predictions.
        ua: Unweighted accuracy, the mean recall of the classes.
        weighted_precision: Mean precision of the classes, weighted by their share.
        macro_precision: Unweighted mean precision of the classes.
        recall: Recall of each class.
        confusion: [true][predicted] counts.
        calibration_error: Expected calibration error in 15 equal bins of confidence.
    """

    count: int
    wa: float
    ua: float
    weighted_precision: float
    macro_precision: float
    recall: list[float]
    confusion: list[list[int]]
    calibration_error: float

    @property
    def macro_f1(self) -> float:
        """Mean F1 score of the classes that occur in the test set."""
        counts = np.array(self.confusion)
        true = counts.sum(axis=1)
        f1 = 2 * np.diag(counts) / np.maximum(true + counts.sum(axis=0), 1)
        return float(f1[true > 0].mean())


def compute_metrics(log_scores: NDArray[np.float64], labels: NDArray[np.int64]) -> Metrics:
    """Metrics of final log-scores.

    Args:
        log_scores: (utterances, classes), up to a constant per row.
        labels: (utterances,) true classes; absent classes are excluded from UA and macro precision.
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
    """Expected calibration error: mean distance between confidence and accuracy over bins of confidence.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", ICML.
    """
    shifted = log_scores - log_scores.max(axis=1, keepdims=True)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[bin_of == b].sum() - correct[bin_of == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(labels))


def fit_temperature(log_scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Temperature that maximises the likelihood of the labels.

    Args:
        log_scores: (utterances, classes) of data that was not trained on, at least one row.
        labels: (utterances,).

    Returns:
        T in [0.1, 10]; log-scores divided by it are calibrated.

    Source: Guo et al. 2017, as for `calibration_error`.
    """

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(log_scores / np.exp(log_temperature))
        return float(-scaled[np.arange(len(labels)), labels].mean())

    fitted = minimize_scalar(loss, bounds=(np.log(0.1), np.log(10.0)), method="bounded")
    return round(float(np.exp(fitted.x)), 4)
