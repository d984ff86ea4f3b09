"""Whether a rebuilt bundle is as good as the one before it, on the same folds.

    python -m benchmarks.rebuilt BEFORE/metrics.json AFTER/metrics.json

Two trainings of one recipe differ by chance. The difference of each head's UA is told with its 95 % interval (corrected
resampled t-test, Nadeau and Bengio 2003): an interval that holds 0 says that the folds cannot tell the two apart. Of
untouched clips only the counts are stored; their difference is told with the interval of two independent shares, which
is wider than that of the same clips would be.
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
        typer.BadParameter: the folds are not the same.
    """
    if any(before[name] != after[name] for name in ("folds", "protocol", "utterances")):
        raise typer.BadParameter("the two were not cross-validated on the same folds")
    heads = {}
    for head, figures in after["heads"].items():
        old, new = before["heads"][head]["ua"], figures["ua"]
        found = corrected_difference(new, old, 1 / (after["folds"] - 1))
        heads[head] = (float(np.mean(old)), float(np.mean(new)), found)
    return heads


def compare_clips(before: list[list[int]], after: list[list[int]]) -> PairedDifference:
    """Difference of UA from two confusion matrices (rows: true), and its interval; p is not told.

    The variance of UA is the mean over classes of that of each recall, divided by the number of classes.
    """
    means, variances = [], []
    for counts in (np.array(before), np.array(after)):
        recalls, totals = np.diag(counts) / counts.sum(axis=1), counts.sum(axis=1)
        means.append(float(recalls.mean()))
        variances.append(float((recalls * (1 - recalls) / totals).sum() / len(counts) ** 2))
    mean, reach = means[1] - means[0], _Z_95 * sum(variances) ** 0.5
    return PairedDifference(mean, mean - reach, mean + reach, float("nan"))


def main(
    before: Annotated[Path, typer.Argument(help="metrics.json of the bundle that was there")],
    after: Annotated[Path, typer.Argument(help="metrics.json of the rebuilt one")],
) -> None:
    """Prints UA before and after, and what lies between."""
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    table = Table("UA", "before", "after", "difference, 95 %", box=None)
    for head, (first, second, found) in compare_folds(old["cross_validation"], new["cross_validation"]).items():
        table.add_row(head, f"{first:.3f}", f"{second:.3f}", _shown(found))
    for words, row in new.get("untouched_clips", {}).get("by_words", {}).items():
        was = old["untouched_clips"]["by_words"][words]
        table.add_row(
            f"untouched clips, {words}",
            f"{was['ua']:.3f}",
            f"{row['ua']:.3f}",
            _shown(compare_clips(was["confusion"], row["confusion"])),
        )
    Console(highlight=False, width=120).print(table)


def _shown(found: PairedDifference) -> str:
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


if __name__ == "__main__":
    typer.run(main)
