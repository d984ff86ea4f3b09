"""report.md of a reproduction: the paper's tables with ours beside them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from model.data.splits import Split
from model.report.rows import REFERENCE, RowResult, differences_to_can, own_settings
from model.report.statistics import PairedDifference
from model.runs.folder import RunFolder
from model.runs.summary import calibration_after
from model.training.systems import SYSTEMS, PaperFigure

_CAPTIONS: Final = {2: "Table 2: comparison of systems", 3: "Table 3: segmentation", 4: "Table 4: ablation"}


def render_markdown(
    rows: Sequence[RowResult],
    splits: Sequence[Split],
    facts: Mapping[str, Any],
    command: str,
    options: Mapping[str, Any],
) -> Iterator[str]:
    """Lines of the report; what is given is as in `write_report`, `facts` being what report.json says of the corpus."""
    yield "# The paper's tables, and ours\n"
    protocol = "by session, no speaker in two parts" if options["by_session"] else "at random, speakers are shared"
    yield (
        f"{facts['kept']} utterances of {facts['labelled']} labelled; {len(splits)} folds {protocol}; "
        f"classes {options['classes']}, subset {options['subset']}; "
        f"word vectors: {rows[0].folds[0].experiment.vectors}. Command: `{command}`.\n"
    )
    changed = dict.fromkeys(setting for row in rows for setting in own_settings(row))
    yield f"Settings that are not the paper's recipe: {', '.join(changed) or 'none'}.\n"
    yield (
        "The paper's figures are of IEMOCAP, ten random folds, seven classes; ours compare with them only where the "
        "line above says the same. Mean ± population standard deviation over folds. Δ is the difference to CAN on the "
        "same folds with its 95 % interval and two-sided p (corrected resampled t-test, Nadeau and Bengio 2003), not "
        "corrected for the number of rows.\n"
    )
    for number, caption in _CAPTIONS.items():
        members = [row for row in rows if number in SYSTEMS[row.name].tables]
        yield from _table(caption, members, rows, splits)
    yield from _table("Extras", [row for row in rows if not SYSTEMS[row.name].tables], rows, splits)
    yield "## Recall of each class, and confidence\n"
    labels = rows[0].folds[0].experiment.labels
    yield (
        f"| row | {' | '.join(labels)} | calibration error | after temperature | parameters without word vectors "
        "| best epochs | s a fold |"
    )
    yield "|---" * (len(labels) + 6) + "|"
    for row in rows:
        yield _details(row, splits)
    yield "\n## Confusion of all folds (rows: true)\n"
    for row in rows:
        yield from _confusion(row, labels)


def _table(
    caption: str, members: Sequence[RowResult], rows: Sequence[RowResult], splits: Sequence[Split]
) -> Iterator[str]:
    if not members:
        return
    yield f"## {caption}\n"
    yield "| row | paper WA | WA | paper UA | UA | weighted precision | macro precision | Δ WA to CAN | Δ UA to CAN |"
    yield "|---" * 9 + "|"
    for row in members:
        paper = SYSTEMS[row.name].paper
        yield (
            f"| {row.title} | {_published(paper, 'wa')} | {_spread(row.figures('wa'))} "
            f"| {_published(paper, 'ua')} | {_spread(row.figures('ua'))} "
            f"| {_spread(row.figures('weighted_precision'))} | {_spread(row.figures('macro_precision'))} "
            f"| {_difference_cells(row, rows, splits)} |"
        )
    yield ""


def _difference_cells(row: RowResult, rows: Sequence[RowResult], splits: Sequence[Split]) -> str:
    if not any(other.name == REFERENCE for other in rows):
        return "no row `can` | no row `can`"
    return " | ".join(map(_shown, differences_to_can(row, rows, splits).values())) or " | "


def _shown(found: PairedDifference) -> str:
    if not np.isfinite(found.low):
        return f"{found.mean:+.3f} (one fold)"
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}] p {found.p:.2g}"


def _details(row: RowResult, splits: Sequence[Split]) -> str:
    confusion = np.sum([fold.metrics["final"].confusion for fold in row.folds], axis=0)
    recall = np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1)
    run = RunFolder(row.run)
    after = calibration_after(run, splits, run.labels(), run.experiment().training.alpha)
    seconds = np.mean([fold.seconds for fold in row.folds])
    cells = [
        row.title,
        *(f"{value:.3f}" for value in recall),
        f"{np.mean(row.figures('calibration_error')):.3f}",
        f"{np.mean(after):.3f}" if after else "",
        f"{row.folds[0].parameters:,}",
        ", ".join(str(fold.best_epoch) for fold in row.folds),
        f"{seconds:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _confusion(row: RowResult, labels: Sequence[str]) -> Iterator[str]:
    yield f"### {row.title}\n"
    yield f"| | {' | '.join(labels)} |"
    yield "|---" * (len(labels) + 1) + "|"
    total = np.sum([fold.metrics["final"].confusion for fold in row.folds], axis=0)
    for label, counts in zip(labels, total.tolist(), strict=True):
        yield f"| {label} | {' | '.join(map(str, counts))} |"
    yield ""


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def _published(paper: PaperFigure | None, figure: str) -> str:
    return f"{getattr(paper, figure):.3f} ± {getattr(paper, f'{figure}_deviation'):.3f}" if paper else ""
