"""report.json, report.md and report.html of a reproduction: the paper's tables with ours beside them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from model.corpora.records import Corpus
from model.crossval import Split
from model.figures import calibration_after
from model.recipes import PAPER, Recipe, change, changes_from
from model.report_html import render_html
from model.runs import FoldResult, RunFolder
from model.statistics import corrected_difference
from model.systems import SYSTEMS, PaperFigure

REFERENCE: Final = "can"
_CAPTIONS: Final = {2: "Table 2: comparison of systems", 3: "Table 3: segmentation", 4: "Table 4: ablation"}


@dataclass(frozen=True, slots=True)
class RowResult:
    """A finished row.

    Attributes:
        name: key in `SYSTEMS`.
        folds: in order.
        run: its folder.
    """

    name: str
    folds: tuple[FoldResult, ...]
    run: Path

    def figures(self, figure: str) -> list[float]:
        """One figure of the final answer, (folds,)."""
        return [getattr(fold.metrics["final"], figure) for fold in self.folds]


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
    record = {
        "corpus": facts,
        "rows": {row.name: {figure: row.figures(figure) for figure in figures} for row in rows},
        "command": command,
        "options": {name: value for name, value in options.items() if not isinstance(value, Path)},
        "experiments": {row.name: asdict(row.folds[0].experiment) for row in rows},
    }
    (out / "report.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    markdown = "\n".join(_markdown(rows, splits, facts, command, options))
    (out / "report.md").write_text(markdown, encoding="utf-8")
    curves = {SYSTEMS[row.name].title: _curve(row) for row in rows}
    (out / "report.html").write_text(render_html(markdown, curves), encoding="utf-8")


def _markdown(
    rows: Sequence[RowResult],
    splits: Sequence[Split],
    facts: Mapping[str, Any],
    command: str,
    options: Mapping[str, Any],
) -> Iterator[str]:
    yield "# The paper's tables, and ours\n"
    protocol = "by session, no speaker in two parts" if options["by_session"] else "at random, speakers are shared"
    yield (
        f"{facts['kept']} utterances of {facts['labelled']} labelled; {len(splits)} folds {protocol}; "
        f"classes {options['classes']}, subset {options['subset']}; "
        f"word vectors: {rows[0].folds[0].experiment.vectors}. Command: `{command}`.\n"
    )
    yield f"Settings that are not the paper's recipe: {', '.join(_own_settings(rows[0])) or 'none'}.\n"
    yield (
        "The paper's figures are of IEMOCAP, ten random folds, seven classes; ours compare with them only where the "
        "line above says the same. Mean ± population standard deviation over folds. Δ WA is the difference to CAN on "
        "the same folds with its 95 % interval (corrected resampled t-test).\n"
    )
    for number, caption in _CAPTIONS.items():
        members = [row for row in rows if number in SYSTEMS[row.name].tables]
        yield from _table(caption, members, rows, splits)
    yield from _table("Extras", [row for row in rows if not SYSTEMS[row.name].tables], rows, splits)
    yield "## Recall of each class, and confidence\n"
    labels = rows[0].folds[0].experiment.labels
    yield f"| row | {' | '.join(labels)} | calibration error | after temperature | parameters | s a fold |"
    yield "|---" * (len(labels) + 5) + "|"
    for row in rows:
        yield _details(row, splits)
    yield "\n## Confusion of all folds (rows: true)\n"
    for row in rows:
        yield from _confusion(row, labels)


def _own_settings(row: RowResult) -> list[str]:
    """What was changed for every row: neither what makes the row what it is, nor the size of the word vectors."""
    experiment = row.folds[0].experiment
    recipe = Recipe(experiment.features, experiment.network, experiment.training)
    network = replace(recipe.network, embedding_dim=PAPER.network.embedding_dim)
    of_row = change(PAPER, SYSTEMS[row.name].settings)
    return [f"`{setting}`" for setting in changes_from(of_row, replace(recipe, network=network))]


def _table(
    caption: str, members: Sequence[RowResult], rows: Sequence[RowResult], splits: Sequence[Split]
) -> Iterator[str]:
    if not members:
        return
    yield f"## {caption}\n"
    yield "| row | paper WA | WA | paper UA | UA | weighted precision | macro precision | Δ WA to CAN |"
    yield "|---" * 8 + "|"
    reference = next((row for row in rows if row.name == REFERENCE), None)
    for row in members:
        paper = SYSTEMS[row.name].paper
        yield (
            f"| {SYSTEMS[row.name].title} | {_published(paper, 'wa')} | {_spread(row.figures('wa'))} "
            f"| {_published(paper, 'ua')} | {_spread(row.figures('ua'))} "
            f"| {_spread(row.figures('weighted_precision'))} | {_spread(row.figures('macro_precision'))} "
            f"| {_difference(row, reference, splits)} |"
        )
    yield ""


def _difference(row: RowResult, reference: RowResult | None, splits: Sequence[Split]) -> str:
    if reference is None or row is reference:
        return ""
    share = float(np.mean([len(split.test) / len(split.train) for split in splits]))
    found = corrected_difference(row.figures("wa"), reference.figures("wa"), share)
    interval = f" [{found.low:+.3f}, {found.high:+.3f}]" if np.isfinite(found.low) else " (one fold)"
    return f"{found.mean:+.3f}{interval}"


def _details(row: RowResult, splits: Sequence[Split]) -> str:
    confusion = np.sum([fold.metrics["final"].confusion for fold in row.folds], axis=0)
    recall = np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1)
    run = RunFolder(row.run)
    after = calibration_after(run, splits, run.labels(), run.experiment().training.alpha)
    seconds = np.mean([fold.seconds for fold in row.folds])
    cells = [
        SYSTEMS[row.name].title,
        *(f"{value:.3f}" for value in recall),
        f"{np.mean(row.figures('calibration_error')):.3f}",
        f"{np.mean(after):.3f}" if after else "",
        f"{row.folds[0].parameters:,}",
        f"{seconds:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _confusion(row: RowResult, labels: Sequence[str]) -> Iterator[str]:
    yield f"### {SYSTEMS[row.name].title}\n"
    yield f"| | {' | '.join(labels)} |"
    yield "|---" * (len(labels) + 1) + "|"
    total = np.sum([fold.metrics["final"].confusion for fold in row.folds], axis=0)
    for label, counts in zip(labels, total.tolist(), strict=True):
        yield f"| {label} | {' | '.join(map(str, counts))} |"
    yield ""


def _curve(row: RowResult) -> list[float]:
    """Mean validation WA after each epoch, over the folds that got so far."""
    longest = max(len(fold.history) for fold in row.folds)
    return [
        float(np.mean([fold.history[epoch].validation_wa for fold in row.folds if epoch < len(fold.history)]))
        for epoch in range(longest)
    ]


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def _published(paper: PaperFigure | None, figure: str) -> str:
    return f"{getattr(paper, figure):.3f} ± {getattr(paper, f'{figure}_deviation'):.3f}" if paper else ""
