"""Confusion matrices over all folds of a row, as Markdown and as shaded HTML tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.report.results import SystemResult
from model.scores import EMOTION_NAMES

_DARK_SHARE: Final = 0.55
"""Share from which a cell is so dark that its text is white."""
_COLOUR: Final = "31, 119, 180"


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Confusion matrix of a row.

    Attributes:
        title: Title of the row.
        labels: Classes.
        counts: (true classes, predicted classes) int64, over all folds and seeds.
    """

    title: str
    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """(true classes, predicted classes) shares of the utterances of a true class; the diagonal is the recall."""
        shares: NDArray[np.float64] = self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        return shares


def sum_confusions(system: SystemResult) -> Confusion:
    """Confusion matrix over all finished folds of a row."""
    counts = np.sum([fold.result.metrics["final"].confusion for fold in system.folds], axis=0)
    return Confusion(system.title, system.experiment.labels, counts)


def confusion_to_markdown(confusion: Confusion) -> Iterator[str]:
    """Lines of a table: share of the true class in percent, and the count."""
    yield f"### {confusion.title}\n"
    yield f"| true ↓, predicted → | {' | '.join(confusion.labels)} | utterances |"
    yield "|---" * (len(confusion.labels) + 2) + "|"
    for label, counts, shares in zip(confusion.labels, confusion.counts, confusion.shares, strict=True):
        cells = (f"{100 * share:.0f} % ({count})" for share, count in zip(shares, counts, strict=True))
        yield f"| {label} | {' | '.join(cells)} | {counts.sum()} |"
    yield ""


def confusion_to_html(confusion: Confusion) -> Iterator[str]:
    """A table whose cells are the darker the larger their share of the true class is."""
    names = [EMOTION_NAMES.get(label, label) for label in confusion.labels]
    yield f"<h3>{escape(confusion.title)}</h3>\n<table><thead><tr><th>true ↓, predicted →</th>"
    yield "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    yield "<th>utterances</th></tr></thead><tbody>\n"
    for name, counts, shares in zip(names, confusion.counts, confusion.shares, strict=True):
        cells = "".join(_shade(share, count) for share, count in zip(shares.tolist(), counts.tolist(), strict=True))
        yield f'<tr><th scope="row">{escape(name)}</th>{cells}<td>{counts.sum()}</td></tr>\n'
    yield "</tbody></table>\n"


def _shade(share: float, count: int) -> str:
    text = "; color: #fff" if share > _DARK_SHARE else ""
    return f'<td style="background: rgba({_COLOUR}, {share:.2f}){text}" title="{count}">{100 * share:.0f} %</td>'
