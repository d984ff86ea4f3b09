"""Comparison of a rebuilt bundle with its predecessor on the same folds.

    python -m benchmarks.rebuilt BEFORE/metrics.json AFTER/metrics.json

Two trainings of one recipe differ by chance. The difference in UA of each head is reported with its 95 % interval
(corrected resampled t-test, Nadeau and Bengio 2003); an interval that contains 0 means no significant difference. Of
untouched clips only the counts are stored; their difference is reported with the interval of two independent
proportions, which is wider than a paired interval.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from model.report.comparison import PairedDifference, corrected_difference

_Z_95: Final = 1.96


def compare_folds(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[float, float, PairedDifference]]:
    """Mean UA before and after, and their difference, by head.

    Raises:
        typer.BadParameter: The folds differ.
    """
    if any(before[name] != after[name] for name in ("folds", "protocol", "utterances")):
        raise typer.BadParameter("the bundles were not cross-validated on the same folds")
    heads = {}
    for head, figures in after["heads"].items():
        old, new = before["heads"][head]["ua"], figures["ua"]
        difference = corrected_difference(new, old, 1 / (after["folds"] - 1))
        heads[head] = (float(np.mean(old)), float(np.mean(new)), difference)
    return heads


def compare_clips(before: list[list[int]], after: list[list[int]]) -> PairedDifference:
    """Difference in UA of two confusion matrices (rows: true), with its interval and without a p-value.

    The variance of UA is the mean over classes of that of each recall, divided by the number of classes.
    """
    means, variances = [], []
    for counts in (np.array(before), np.array(after)):
        recalls, totals = np.diag(counts) / counts.sum(axis=1), counts.sum(axis=1)
        means.append(float(recalls.mean()))
        variances.append(float((recalls * (1 - recalls) / totals).sum() / len(counts) ** 2))
    mean, margin = means[1] - means[0], _Z_95 * sum(variances) ** 0.5
    return PairedDifference(mean, mean - margin, mean + margin, float("nan"))


def main(
    before: Annotated[Path, typer.Argument(help="metrics.json of the previous bundle.")],
    after: Annotated[Path, typer.Argument(help="metrics.json of the rebuilt bundle.")],
) -> None:
    """Print UA before and after, and the differences."""
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    table = Table("UA", "before", "after", "difference, 95 %", box=None)
    for head, (first, second, difference) in compare_folds(old["cross_validation"], new["cross_validation"]).items():
        table.add_row(head, f"{first:.3f}", f"{second:.3f}", _format(difference))
    for words, row in new.get("untouched_clips", {}).get("by_words", {}).items():
        previous = old["untouched_clips"]["by_words"][words]
        table.add_row(
            f"untouched clips, {words}",
            f"{previous['ua']:.3f}",
            f"{row['ua']:.3f}",
            _format(compare_clips(previous["confusion"], row["confusion"])),
        )
    Console(highlight=False, width=120).print(table)


def _format(difference: PairedDifference) -> str:
    return f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"


if __name__ == "__main__":
    typer.run(main)
