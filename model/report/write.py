"""report.json, report.md and report.html of a reproduction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from model.corpora.records import Corpus
from model.data.splits import Split
from model.report.comparison import PairedDifference, SystemResult, differences_to_can
from model.report.html import render_html
from model.report.markdown import render_markdown
from model.runs.folder import FoldResult


def write_report(
    out: Path,
    read: Corpus,
    kept: Corpus,
    systems: Sequence[SystemResult],
    splits: Sequence[Split],
    command: str,
    options: Mapping[str, Any],
) -> None:
    """Write the three files.

    Args:
        out: Folder.
        read: Corpus as read.
        kept: Utterances used for training and test.
        systems: Results of the systems.
        splits: Splits of every system.
        command: Command line.
        options: Options of the command.
    """
    corpus = {
        "labelled": read.labelled,
        "kept": len(kept.utterances),
        "by_label": read.by_label,
        "without_wdseg": list(read.without_wdseg),
    }
    metrics = ("wa", "ua", "weighted_precision", "macro_precision")
    differences = {system.name: differences_to_can(system, systems, splits) for system in systems}
    record = {
        "corpus": corpus,
        "rows": {system.name: {metric: system.metric(metric) for metric in metrics} for system in systems},
        "difference_to_can": {
            name: {metric: _to_json(difference) for metric, difference in by_metric.items()}
            for name, by_metric in differences.items()
            if by_metric
        },
        "folds": {system.name: [_without_experiment(fold) for fold in system.folds] for system in systems},
        "command": command,
        "options": {name: value for name, value in options.items() if not isinstance(value, Path)},
        "experiments": {system.name: asdict(system.folds[0].experiment) for system in systems},
    }
    (out / "report.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    markdown = "\n".join(render_markdown(systems, splits, corpus, command, options))
    (out / "report.md").write_text(markdown, encoding="utf-8")
    curves = {system.title: _curve(system) for system in systems}
    (out / "report.html").write_text(render_html(markdown, curves), encoding="utf-8")


def _to_json(difference: PairedDifference) -> dict[str, float | None]:
    """Fields of a difference, with null for NaN, which JSON does not have."""
    return {name: value if np.isfinite(value) else None for name, value in asdict(difference).items()}


def _without_experiment(fold: FoldResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(fold).items() if name != "experiment"}


def _curve(system: SystemResult) -> list[float]:
    """Mean validation WA by epoch, over the folds that reached the epoch."""
    longest = max(len(fold.history) for fold in system.folds)
    return [
        float(np.mean([fold.history[epoch].validation_wa for fold in system.folds if epoch < len(fold.history)]))
        for epoch in range(longest)
    ]
