"""What each system makes of sentences whose text, whose sound, or both carry the label: of a finished reproduction.

    python -m benchmarks.by_kind --root CORPUS --run OUT

CORPUS is what `python -m model.corpora.composite` wrote, OUT what `python -m model.reproduce` wrote of it. Folds that
are not finished are left out.
"""

import csv
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from model.corpora.pairing import PAIRS
from model.data.splits import Split
from model.runs.folder import RESULT, Run
from model.training.systems import SYSTEMS

KINDS: Final = ("both", "text", "sound")


def right_answers(run: Run) -> dict[str, list[bool]]:
    """Of each tested utterance, by name, whether each fold's final answer is right."""
    names, labels, alpha = run.names(), run.labels(), run.experiment().training.alpha
    right: dict[str, list[bool]] = {}
    none: NDArray[np.int64] = np.zeros(0, np.int64)
    for result in sorted(run.path.glob(f"*/{RESULT}")):
        tested, logits = run.logits(Split(result.parent.name, none, none, none), "test")
        for index, answer in zip(tested, logits.final(alpha).argmax(axis=1), strict=True):
            right.setdefault(names[index], []).append(bool(answer == labels[index]))
    return right


def main(
    root: Annotated[Path, typer.Option(help=f"The corpus; its {PAIRS} says what carries each label")],
    run: Annotated[Path, typer.Option(help="What model.reproduce wrote")],
) -> None:
    """Prints WA over all finished folds together."""
    with (root / PAIRS).open(encoding="utf-8") as file:
        kind_of = {row["name"]: row["kind"] for row in csv.DictReader(file, delimiter="\t")}
    table = Table("row", "folds", "utterances", "all", *(f"{kind} carries it" for kind in KINDS), box=None)
    for row in SYSTEMS:
        folder = Run(run / row)
        folds = len(list(folder.path.glob(f"*/{RESULT}")))
        if not folds:
            continue
        right = right_answers(folder)
        shares = [
            np.mean([ok for name, each in right.items() for ok in each if kind in (None, kind_of[name])])
            for kind in (None, *KINDS)
        ]
        table.add_row(row, str(folds), str(len(right)), *(f"{share:.3f}" for share in shares))
    Console(highlight=False, width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
