"""Metrics of a row on the composite corpus by the modality that carries the label of a sentence."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from model.report.results import FinishedFold, SystemResult
from model.training.metrics import compute_metrics


def measure_kinds(system: SystemResult, kinds: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Count, WA and UA of the test parts of all finished folds together, by kind; empty without kinds."""
    if not kinds:
        return {}
    tested = [_tested(fold, kinds) for fold in system.folds]
    kind_of, scores, labels = (np.concatenate(column) for column in zip(*tested, strict=True))
    table = {}
    for kind in sorted(set(kinds.values())):
        mask = kind_of == kind
        if mask.any():
            metrics = compute_metrics(scores[mask], labels[mask])
            table[kind] = {"count": metrics.count, "wa": metrics.wa, "ua": metrics.ua}
    return table


def _tested(fold: FinishedFold, kinds: Mapping[str, str]) -> tuple[Any, Any, Any]:
    """Kind, final log-scores and label of each test utterance of a fold."""
    indices, logits = fold.logits("test")
    names = fold.run.names()
    kind_of = np.array([kinds.get(names[index], "") for index in indices])
    return kind_of, logits.final(fold.alpha), fold.run.labels()[indices]
