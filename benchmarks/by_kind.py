"""Accuracy of each system of a reproduction, by what carries the label of a sentence: text, audio or both.

    python -m benchmarks.by_kind --root CORPUS --run OUT

CORPUS is the output of `python -m model.corpora.composite`, OUT that of `python -m model.reproduce` on it. Unfinished
folds are ignored.
"""

from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from model.corpora.pairing import COMPOSITE, PAIRS, read_sentences
from model.data.splits import Split
from model.runs.folder import RESULT, Run
from model.training.systems import SYSTEMS

KINDS: Final = ("both", "text", "sound")


def correct_predictions(run: Run) -> dict[str, list[bool]]:
    """Whether the prediction of each fold is correct, by the name of the test utterance."""
    names, labels, alpha = run.names(), run.labels(), run.experiment().training.alpha
    correct: dict[str, list[bool]] = {}
    none: NDArray[np.int64] = np.zeros(0, np.int64)
    for result in sorted(run.path.glob(f"*/{RESULT}")):
        tested, logits = run.logits(Split(result.parent.name, none, none, none), "test")
        for index, predicted in zip(tested, logits.final(alpha).argmax(axis=1), strict=True):
            correct.setdefault(names[index], []).append(bool(predicted == labels[index]))
    return correct


def main(
    root: Annotated[Path, typer.Option(help=f"Composite corpus; its {PAIRS} states what carries each label.")],
    run: Annotated[Path, typer.Option(help="Output of model.reproduce.")],
) -> None:
    """Print WA over all finished folds together."""
    kind_of = {name: each.kind for name, each in read_sentences(root).items() if each.source == COMPOSITE}
    table = Table("row", "folds", "utterances", "all", *(f"{kind} carries it" for kind in KINDS), box=None)
    for row in SYSTEMS:
        folder = Run(run / row)
        folds = len(list(folder.path.glob(f"*/{RESULT}")))
        if not folds:
            continue
        correct = correct_predictions(folder)
        shares = [
            np.mean([ok for name, each in correct.items() for ok in each if kind in (None, kind_of.get(name))])
            for kind in (None, *KINDS)
        ]
        table.add_row(row, str(folds), str(len(correct)), *(f"{share:.3f}" for share in shares))
    Console(highlight=False, width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
