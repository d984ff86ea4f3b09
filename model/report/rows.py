"""Rows of a reproduction, and what sets them apart."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from model.data.splits import Split
from model.report.statistics import PairedDifference, corrected_difference
from model.runs.folder import FoldResult
from model.training.recipes import PAPER, Recipe, change, changes_from
from model.training.systems import SYSTEMS

REFERENCE: Final = "can"


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

    @property
    def title(self) -> str:
        """As the paper names it."""
        return SYSTEMS[self.name].title


def own_settings(row: RowResult) -> list[str]:
    """What was changed for every row: neither what makes the row what it is, nor the size of the word vectors."""
    experiment = row.folds[0].experiment
    recipe = Recipe(experiment.features, experiment.network, experiment.training)
    network = replace(recipe.network, embedding_dim=PAPER.network.embedding_dim)
    of_row = change(PAPER, SYSTEMS[row.name].settings)
    return [f"`{setting}`" for setting in changes_from(of_row, replace(recipe, network=network))]


def differences_to_can(
    row: RowResult, rows: Sequence[RowResult], splits: Sequence[Split]
) -> dict[str, PairedDifference]:
    """Of WA and UA to CAN's; empty for CAN itself, and where it was not trained."""
    reference = next((other for other in rows if other.name == REFERENCE), row)
    if row is reference:
        return {}
    share = float(np.mean([len(split.test) / len(split.train) for split in splits]))
    return {
        figure: corrected_difference(row.figures(figure), reference.figures(figure), share) for figure in ("wa", "ua")
    }
