"""From trained folds and a network to a bundle: figures, config, card, checksums."""

import csv
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.bundle import CARD, CONFIG, METRICS, VOCABULARY, BundleConfig, Origin, write_config, write_sums
from model.calibration import fit_temperature
from model.can import CrossAttentionNetwork
from model.card import render_card
from model.contract import log_softmax
from model.crossval import Split
from model.experiment import Experiment, FoldOutcome, PreparedData
from model.export import export_network
from model.metrics import compute_metrics
from model.runs import FoldResult, RunFolder

PAIRS: Final = "pairs.tsv"
_FIGURES: Final = ("wa", "ua", "weighted_precision", "macro_precision", "calibration_error")


def write_bundle(
    out: Path,
    outcome: FoldOutcome,
    experiment: Experiment,
    data: PreparedData,
    origin: Origin,
    temperature: float,
    metrics: dict[str, Any],
) -> BundleConfig:
    """Exports a network and writes the folder that is served; an old one is replaced only by a whole new one.

    Raises:
        ExportParityError: ONNX and PyTorch disagree; nothing is written.
        TypeError: it is another network than CAN, the only one that is served.
    """
    network = outcome.trained.network
    if not isinstance(network, CrossAttentionNetwork):
        raise TypeError(f"only CrossAttentionNetwork is served, not {type(network).__name__}")
    config = BundleConfig(
        name=out.name,
        system="can",
        labels=experiment.labels,
        features=experiment.features,
        normalisation=outcome.normalisation,
        alpha=experiment.training.alpha,
        temperature=temperature,
        network=experiment.network,
        origin=origin,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{out.name}-", dir=out.parent))
    try:
        export_network(network, experiment.training.alpha, scratch)
        write_config(scratch / CONFIG, config)
        data.embeddings.vocabulary.write(scratch / VOCABULARY)
        write_figures(scratch, config, metrics)
        scratch.chmod(0o755)
        if out.is_dir():
            shutil.rmtree(out)
        scratch.rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return config


def write_figures(folder: Path, config: BundleConfig, metrics: dict[str, Any]) -> None:
    """Writes metrics.json, the card that follows from it, and the checksums."""
    (folder / METRICS).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(render_card(config, metrics), encoding="utf-8")
    write_sums(folder)


def fold_temperature(run: RunFolder, splits: Sequence[Split], labels: NDArray[np.int64], alpha: float) -> float:
    """Temperature fitted on the validation parts of finished folds, or on the test parts where nothing validates."""
    parts = [run.logits(split, "validation" if len(split.validation) else "test") for split in splits]
    scores = np.concatenate([logits.final(alpha) for _, logits in parts])
    return fit_temperature(scores, np.concatenate([labels[indices] for indices, _ in parts]))


def summarise_folds(
    run: RunFolder, splits: Sequence[Split], results: Sequence[FoldResult], data: PreparedData, root: Path, command: str
) -> dict[str, Any]:
    """What metrics.json says of a cross-validation."""
    experiment = results[0].experiment
    heads = {
        {"final": "both (Eq. 15)", "joint": "joint head alone", "text": "text alone", "audio": "sound alone"}[head]: {
            figure: [getattr(result.metrics[head], figure) for result in results] for figure in _FIGURES
        }
        for head in results[0].metrics
    }
    by_session = all(split.name.startswith("Ses") for split in splits)
    summary: dict[str, Any] = {
        "folds": len(results),
        "protocol": "by session (no speaker in two parts)" if by_session else "at random (speakers are shared)",
        "utterances": sum(result.metrics["final"].count for result in results),
        "command": command,
        "heads": heads,
        "experiment": asdict(experiment),
        "best_epochs": [result.best_epoch for result in results],
    }
    if (root / PAIRS).is_file():
        summary["by_kind"] = _by_kind(run, splits, data, root / PAIRS, experiment.training.alpha)
    return summary


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
