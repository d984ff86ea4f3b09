"""Finished folds of the rows of a report, over all seeds, with α chosen by validation where several were trained."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.splits import Split
from model.report.plan import Plan
from model.report.rows import PlannedRun, Row
from model.runs.folder import FoldResult, Run
from model.training.experiment import Experiment
from model.training.loop import Logits


@dataclass(frozen=True, slots=True, eq=False)
class FinishedFold:
    """A finished fold of a run.

    Attributes:
        split: Utterances of its parts.
        result: Stored result.
        run: Run that it is of.
        planned: Seed and α of the run.
    """

    split: Split
    result: FoldResult
    run: Run
    planned: PlannedRun

    @property
    def alpha(self) -> float:
        """α of Eqs. (14) and (15)."""
        return self.result.experiment.training.alpha

    def logits(self, part: str) -> tuple[NDArray[np.int64], Logits]:
        """Utterance indices and logits of the "validation" or "test" part."""
        return self.run.logits(self.split, part)

    def validation(self) -> tuple[float, float]:
        """Validation WA and negative loss of the kept epoch: larger is better, as in early stopping."""
        best = self.result.history[self.result.best_epoch - 1]
        return best.validation_wa, -best.validation_loss


@dataclass(frozen=True, slots=True, eq=False)
class SystemResult:
    """Results of one row.

    Attributes:
        row: The row.
        folds: Finished folds in the order of the plan, each with all its seeds.
        rejected: Folds of other values of α, which validation did not choose.
    """

    row: Row
    folds: tuple[FinishedFold, ...]
    rejected: tuple[FinishedFold, ...] = ()

    @property
    def name(self) -> str:
        """Key of the row."""
        return self.row.key

    @property
    def title(self) -> str:
        """Title of the row."""
        return self.row.title

    @property
    def experiment(self) -> Experiment:
        """Experiment of the first fold."""
        return self.folds[0].result.experiment

    @property
    def finished(self) -> tuple[str, ...]:
        """Names of the finished folds, in the order of the plan."""
        return tuple(dict.fromkeys(fold.split.name for fold in self.folds))

    def metric(self, name: str, splits: Collection[str] | None = None) -> list[float]:
        """One metric of the final prediction, (folds,), mean over seeds, of all finished folds or of those named."""
        return [float(np.mean(values)) for values in self.by_seed(name, splits)]

    def by_seed(self, name: str, splits: Collection[str] | None = None) -> list[list[float]]:
        """One metric of the final prediction of every seed, (folds, seeds)."""
        return [
            [getattr(fold.result.metrics["final"], name) for fold in self.folds if fold.split.name == split]
            for split in self.finished
            if splits is None or split in splits
        ]


def collect_results(out: Path, plan: Plan) -> list[SystemResult]:
    """Results of every row with a finished fold.

    Of a fold that was trained with several values of α, the one with the best validation is taken once all are
    finished; ties go to the first value.
    """
    results = (_collect_row(out, plan, row) for row in plan.rows)
    return [result for result in results if result.folds]


def _collect_row(out: Path, plan: Plan, row: Row) -> SystemResult:
    own = [planned for planned in plan.runs if planned.row == row.key]
    chosen, rejected = [], []
    for seed in dict.fromkeys(planned.seed for planned in own):
        planned_runs = [planned for planned in own if planned.seed == seed]
        for split in plan.splits:
            candidates = _finished(out, planned_runs, split)
            if len(candidates) < len(planned_runs):
                continue
            best = max(candidates, key=FinishedFold.validation)
            chosen.append(best)
            rejected += [candidate for candidate in candidates if candidate is not best]
    position = {split.name: number for number, split in enumerate(plan.splits)}
    chosen.sort(key=lambda fold: position[fold.split.name])
    return SystemResult(row, tuple(chosen), tuple(rejected))


def _finished(out: Path, planned_runs: Sequence[PlannedRun], split: Split) -> list[FinishedFold]:
    folds = []
    for planned in planned_runs:
        run = Run(out / planned.folder)
        if result := run.result(split):
            folds.append(FinishedFold(split, result, run, planned))
    return folds
