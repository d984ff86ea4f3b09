"""Results of the systems of a reproduction, and statistical tests of their differences."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from scipy.stats import t as student

from model.data.splits import Split
from model.runs.folder import FoldResult
from model.training.systems import SYSTEMS

REFERENCE: Final = "can"


@dataclass(frozen=True, slots=True)
class SystemResult:
    """Results of one system.

    Attributes:
        name: Key in `SYSTEMS`.
        folds: Results of the folds, in order.
        run: Folder of the run.
    """

    name: str
    folds: tuple[FoldResult, ...]
    run: Path

    def metric(self, name: str, splits: Collection[str] | None = None) -> list[float]:
        """One metric of the final prediction, (folds,), of all folds or of those named."""
        return [getattr(fold.metrics["final"], name) for fold in self.folds if splits is None or fold.split in splits]

    @property
    def finished(self) -> set[str]:
        """Names of the finished folds."""
        return {fold.split for fold in self.folds}

    @property
    def title(self) -> str:
        """Name in the paper."""
        return SYSTEMS[self.name].title


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean difference between two systems on the same folds.

    Attributes:
        mean: Mean of the folds' differences.
        low: Lower end of the 95 % confidence interval.
        high: Upper end of the interval.
        p: Two-sided p-value.
    """

    mean: float
    low: float
    high: float
    p: float


def corrected_difference(ours: Sequence[float], theirs: Sequence[float], test_share: float) -> PairedDifference:
    """Corrected resampled t-test on k folds.

    Folds share training data, so that a plain t-test finds differences that do not exist.

    Args:
        ours: (folds,) metric of one system.
        theirs: (folds,) metric of the other system, in the same order.
        test_share: Ratio of test to training utterances, 1/8 for 8:1:1.

    Returns:
        The difference; interval and p are NaN for a single fold.

    Source: Nadeau and Bengio 2003, "Inference for the Generalization Error", Machine Learning 52:
        t = d̄ / √((1/k + n_test / n_train) · s²), k − 1 degrees of freedom.
    """
    differences = np.array(ours) - np.array(theirs)
    count, mean = len(differences), float(differences.mean())
    if count < 2:
        return PairedDifference(mean, float("nan"), float("nan"), float("nan"))
    error = float(np.sqrt((1 / count + test_share) * differences.var(ddof=1)))
    if error == 0:
        return PairedDifference(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    reach = float(student.ppf(0.975, count - 1)) * error
    return PairedDifference(mean, mean - reach, mean + reach, float(2 * student.sf(abs(mean) / error, count - 1)))


def differences_to_can(
    system: SystemResult, systems: Sequence[SystemResult], splits: Sequence[Split]
) -> dict[str, PairedDifference]:
    """Differences of WA and UA to CAN on the folds that both have finished.

    Empty for CAN itself, if CAN is not among the systems, and without a common fold.
    """
    reference = next((other for other in systems if other.name == REFERENCE), system)
    common = [split for split in splits if {split.name} <= system.finished & reference.finished]
    if system is reference or not common:
        return {}
    share = float(np.mean([len(split.test) / len(split.train) for split in common]))
    names = [split.name for split in common]
    return {
        metric: corrected_difference(system.metric(metric, names), reference.metric(metric, names), share)
        for metric in ("wa", "ua")
    }
