"""From finished folds to what metrics.json says of them."""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.corpora.pairing import PAIRS
from model.data.prepared import PreparedData
from model.data.splits import Split
from model.runs.folder import FoldResult, RunFolder
from model.scores import log_softmax
from model.training.calibration import fit_temperature
from model.training.metrics import calibration_error, compute_metrics

_FIGURES: Final = ("wa", "ua", "weighted_precision", "macro_precision", "calibration_error")
_HEADS: Final = {
    "final": "both (Eq. 15)",
    "joint": "joint head alone",
    "text": "text alone",
    "audio": "sound alone",
}


def summarise_folds(
    run: RunFolder, splits: Sequence[Split], results: Sequence[FoldResult], data: PreparedData, root: Path, command: str
) -> dict[str, Any]:
    """What metrics.json says of a cross-validation."""
    experiment = results[0].experiment
    alpha = experiment.training.alpha
    by_session = all(split.name.startswith("Ses") for split in splits)
    summary: dict[str, Any] = {
        "folds": len(results),
        "protocol": "by session (no speaker in two parts)" if by_session else "at random (speakers are shared)",
        "utterances": sum(result.metrics["final"].count for result in results),
        "command": command,
        "heads": {
            _HEADS[head]: {figure: [getattr(result.metrics[head], figure) for result in results] for figure in _FIGURES}
            for head in results[0].metrics
        },
        "calibration_error_after": calibration_after(run, splits, data.labels, alpha),
        "experiment": asdict(experiment),
        "best_epochs": [result.best_epoch for result in results],
    }
    if (root / PAIRS).is_file():
        summary["by_kind"] = _by_kind(run, splits, data, root / PAIRS, alpha)
    return summary


def served_temperature(run: RunFolder, splits: Sequence[Split], labels: NDArray[np.int64], alpha: float) -> float:
    """Temperature fitted on what finished folds were not trained on: their validation parts or, without, test parts."""
    return _fit([_held_out(run, split) for split in splits], labels, alpha)


def calibration_after(
    run: RunFolder, splits: Sequence[Split], labels: NDArray[np.int64], alpha: float
) -> list[float] | None:
    """Calibration error of each test part at a temperature that it had no part in; None where there is no such one.

    The temperature comes from the fold's validation part or, where nothing validates, from the other folds' test parts.
    """
    errors = []
    for split in splits:
        sources = [split] if len(split.validation) else [other for other in splits if other is not split]
        if not sources:
            return None
        temperature = _fit([_held_out(run, source) for source in sources], labels, alpha)
        indices, logits = run.logits(split, "test")
        errors.append(calibration_error(logits.final(alpha) / temperature, labels[indices]))
    return errors


def _held_out(run: RunFolder, split: Split) -> tuple[NDArray[np.int64], Any]:
    return run.logits(split, "validation" if len(split.validation) else "test")


def _fit(parts: Sequence[tuple[NDArray[np.int64], Any]], labels: NDArray[np.int64], alpha: float) -> float:
    scores = np.concatenate([logits.final(alpha) for _, logits in parts])
    return fit_temperature(scores, np.concatenate([labels[indices] for indices, _ in parts]))


def _by_kind(
    run: RunFolder, splits: Sequence[Split], data: PreparedData, pairs: Path, alpha: float
) -> dict[str, dict[str, Any]]:
    """UA of the composite corpus by what carries the emotion."""
    with pairs.open(encoding="utf-8", newline="") as file:
        kinds = {row["name"]: row["kind"] for row in csv.DictReader(file, delimiter="\t")}
    tested = [run.logits(split, "test") for split in splits]
    indices = np.concatenate([part for part, _ in tested])
    kind_of = np.array([kinds[data.names[index]] for index in indices])
    scores = {
        "final": np.concatenate([logits.final(alpha) for _, logits in tested]),
        "text": np.concatenate([log_softmax(logits.singles["text"]) for _, logits in tested]),
        "audio": np.concatenate([log_softmax(logits.singles["audio"]) for _, logits in tested]),
    }
    groups = {
        "text and sound say the same": kind_of == "both",
        "one of them is neutral": kind_of != "both",
        "the text is neutral": kind_of == "sound",
        "the sound is neutral": kind_of == "text",
    }
    return {
        name: {
            "count": int(mask.sum()),
            **{head: compute_metrics(values[mask], data.labels[indices[mask]]).ua for head, values in scores.items()},
        }
        for name, mask in groups.items()
        if mask.any()
    }
