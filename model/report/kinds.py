"""Metrics of a system on the composite corpus by the modality that carries the label of a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.data.splits import Split
from model.report.comparison import SystemResult
from model.runs.folder import Run
from model.training.metrics import compute_metrics


def measure_kinds(system: SystemResult, splits: Sequence[Split], kinds: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Count, WA and UA of the test parts of all finished folds together, by kind; empty without kinds."""
    run = Run(system.run)
    names, labels, alpha = run.names(), run.labels(), run.experiment().training.alpha
    tested = [run.logits(split, "test") for split in splits if split.name in system.finished]
    indices = np.concatenate([part for part, _ in tested])
    scores = np.concatenate([logits.final(alpha) for _, logits in tested])
    kind_of = np.array([kinds.get(names[index], "") for index in indices])
    table = {}
    for kind in sorted({*kinds.values()}):
        mask = kind_of == kind
        if mask.any():
            metrics = compute_metrics(scores[mask], labels[indices[mask]])
            table[kind] = {"count": metrics.count, "wa": metrics.wa, "ua": metrics.ua}
    return table
