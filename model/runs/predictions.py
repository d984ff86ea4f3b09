"""Predictions of a fold's test part as predictions.csv, for readers without this program.

Columns: fold, utterance, label, then the probability of every class by head: `joint:<label>` of Eq. (10),
`text:<label>` and `audio:<label>` of Eqs. (11) and (12), where the system has these heads, and `final:<label>` of
Eq. (15).
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.atomic import atomic_file
from model.errors import TrainingError
from model.scores import log_softmax
from model.training.loop import Logits

PREDICTIONS: Final = "predictions.csv"
_KEYS: Final = ("fold", "utterance", "label")


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions of some utterances.

    Attributes:
        utterances: Names of the utterances.
        labels: True label of each utterance.
        classes: Names of the classes, in the order of the columns.
        probabilities: (utterances, classes) of each head: "joint", "text", "audio", "final".
    """

    utterances: tuple[str, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: dict[str, NDArray[np.float64]]

    def true_classes(self) -> NDArray[np.int64]:
        """(utterances,) index of the true label among `classes`."""
        return np.array([self.classes.index(label) for label in self.labels], np.int64)


def predict_probabilities(logits: Logits, alpha: float) -> dict[str, NDArray[np.float64]]:
    """Probabilities of every head by name, the final prediction last."""
    scores = {head: log_softmax(rows) for head, rows in logits.heads.items()}
    return {head: np.exp(rows) for head, rows in (scores | {"final": log_softmax(logits.final(alpha))}).items()}


def write_predictions(path: Path, fold: str, predictions: Predictions) -> None:
    """Write predictions of one fold, probabilities with nine significant digits."""
    heads = predictions.probabilities
    header = [*_KEYS, *(f"{head}:{label}" for head in heads for label in predictions.classes)]
    rows = np.concatenate(list(heads.values()), axis=1)
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for utterance, label, row in zip(predictions.utterances, predictions.labels, rows, strict=True):
            writer.writerow([fold, utterance, label, *(f"{value:.9g}" for value in row)])


def read_predictions(path: Path) -> Predictions:
    """Read predictions of one fold.

    Raises:
        TrainingError: The file has other columns.
    """
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    if tuple(header[: len(_KEYS)]) != _KEYS:
        raise TrainingError(f"{path}: the first columns are {header[: len(_KEYS)]}, not {list(_KEYS)}; write it anew")
    columns = [name.partition(":") for name in header[len(_KEYS) :]]
    values = np.array([row[len(_KEYS) :] for row in rows], np.float64)
    heads = {head: [i for i, (name, _, _) in enumerate(columns) if name == head] for head, _, _ in columns}
    return Predictions(
        utterances=tuple(row[1] for row in rows),
        labels=tuple(row[2] for row in rows),
        classes=tuple(dict.fromkeys(label for _, _, label in columns)),
        probabilities={head: values[:, own] for head, own in heads.items()},
    )


def describe_predictions(
    logits: Logits, alpha: float, utterances: Sequence[str], true: NDArray[np.int64], classes: Sequence[str]
) -> Predictions:
    """Predictions of the utterances that `logits` are of."""
    labels = tuple(classes[index] for index in true)
    return Predictions(tuple(utterances), labels, tuple(classes), predict_probabilities(logits, alpha))
