"""Rows of a report and the trainings behind them."""

from dataclasses import dataclass
from typing import Literal

from model.training.systems import Words


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a report.

    Attributes:
        key: Name in files and options.
        title: Name in tables.
        system: Key in `SYSTEMS` of the system that is trained.
        settings: Changes to the recipe in addition to those of the system.
        words: Source of words and times.
        trained_on: Source of the words of the training part, where it is another one; "" for the same.
    """

    key: str
    title: str
    system: str
    settings: tuple[str, ...] = ()
    words: Words = "corpus"
    trained_on: Words | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A training of a row on all folds.

    Attributes:
        row: Key of the row.
        folder: Name of its folder.
        seed: Random seed.
        alpha: α of Eqs. (14) and (15), where several are compared; else None.
    """

    row: str
    folder: str
    seed: int
    alpha: float | None = None
