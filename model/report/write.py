"""report.json, report.md and report.html of a reproduction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from model.corpora.records import Corpus
from model.data.splits import Split
from model.report.html import render_html
from model.report.markdown import render_markdown
from model.report.rows import RowResult, differences_to_can
from model.report.statistics import PairedDifference
from model.runs.folder import FoldResult


def write_report(
    out: Path,
    read: Corpus,
    kept: Corpus,
    rows: Sequence[RowResult],
    splits: Sequence[Split],
    command: str,
    options: Mapping[str, Any],
) -> None:
    """Writes the three files.

    Args:
        out: folder.
        read: the corpus as read.
        kept: what was trained on.
        rows: finished.
        splits: of every row.
        command: that was typed.
        options: what it meant.
    """
    facts = {
        "labelled": read.labelled,
        "kept": len(kept.utterances),
        "by_label": read.by_label,
        "without_wdseg": list(read.without_wdseg),
    }
    figures = ("wa", "ua", "weighted_precision", "macro_precision")
    differences = {row.name: differences_to_can(row, rows, splits) for row in rows}
    record = {
        "corpus": facts,
        "rows": {row.name: {figure: row.figures(figure) for figure in figures} for row in rows},
        "difference_to_can": {
            name: {figure: _recorded(found) for figure, found in own.items()}
            for name, own in differences.items()
            if own
        },
        "folds": {row.name: [_without_experiment(fold) for fold in row.folds] for row in rows},
        "command": command,
        "options": {name: value for name, value in options.items() if not isinstance(value, Path)},
        "experiments": {row.name: asdict(row.folds[0].experiment) for row in rows},
    }
    (out / "report.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    markdown = "\n".join(render_markdown(rows, splits, facts, command, options))
    (out / "report.md").write_text(markdown, encoding="utf-8")
    curves = {row.title: _curve(row) for row in rows}
    (out / "report.html").write_text(render_html(markdown, curves), encoding="utf-8")


def _recorded(found: PairedDifference) -> dict[str, float | None]:
    """For JSON, which knows no NaN."""
    return {name: value if np.isfinite(value) else None for name, value in asdict(found).items()}


def _without_experiment(fold: FoldResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(fold).items() if name != "experiment"}


def _curve(row: RowResult) -> list[float]:
    """Mean validation WA after each epoch, over the folds that got so far."""
    longest = max(len(fold.history) for fold in row.folds)
    return [
        float(np.mean([fold.history[epoch].validation_wa for fold in row.folds if epoch < len(fold.history)]))
        for epoch in range(longest)
    ]
