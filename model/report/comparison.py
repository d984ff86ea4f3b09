"""Statistical tests of the differences between the rows of a report, and the spread over folds and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.stats import t as student

from model.data.splits import Split
from model.report.results import SystemResult

COMPARED: Final = ("wa", "ua")
_SAME: Final = 1e-12
"""Differences of accuracies that differ by rounding alone."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean difference between two systems on the same folds.

    Attributes:
        mean: Mean of the folds' differences.
        low: Lower end of the 95 % confidence interval.
        high: Upper end of the interval.
        p: Two-sided p-value.
        p_holm: p-value corrected for the number of rows; NaN where it is not corrected.
    """

    mean: float
    low: float
    high: float
    p: float
    p_holm: float = float("nan")


def corrected_difference(ours: Sequence[float], theirs: Sequence[float], test_share: float) -> PairedDifference:
    """Corrected resampled t-test on k folds.

    Folds share training data, so that a plain t-test finds differences that do not exist.

    Args:
        ours: (folds,) metric of one system.
        theirs: (folds,) metric of the other system, in the same order.
        test_share: Ratio of test to training utterances, 1/8 for 8:1:1.

    Returns:
        The difference; interval and p are NaN for a single fold, and where all folds have the same difference: that
        happens by chance where accuracies are counts of few utterances, and would give p = 0.

    Source: Nadeau and Bengio 2003, "Inference for the Generalization Error", Machine Learning 52:
        t = d̄ / √((1/k + n_test / n_train) · s²), k − 1 degrees of freedom.
    """
    differences = np.array(ours) - np.array(theirs)
    count, mean = len(differences), float(differences.mean())
    if count > 1 and not differences.any():
        return PairedDifference(0.0, 0.0, 0.0, 1.0)
    if count < 2 or np.ptp(differences) < _SAME:
        return PairedDifference(mean, float("nan"), float("nan"), float("nan"))
    error = float(np.sqrt((1 / count + test_share) * differences.var(ddof=1)))
    reach = float(student.ppf(0.975, count - 1)) * error
    return PairedDifference(mean, mean - reach, mean + reach, float(2 * student.sf(abs(mean) / error, count - 1)))


def correct_holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in the given order; NaN stays NaN and does not count.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6:
        the i-th smallest of m is multiplied by m − i + 1, is at least as large as the one before it, and at most 1.
    """
    values = np.array(p, np.float64)
    corrected = np.full(len(values), np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * factors))
    return corrected.tolist()


def differences_to_reference(
    systems: Sequence[SystemResult], splits: Sequence[Split], reference: str
) -> dict[str, dict[str, PairedDifference]]:
    """Differences of WA and UA of each row to the reference, on the folds that both have finished.

    Each metric is corrected for the number of rows. Rows without a common fold have no difference, nor has the
    reference; empty if the reference is not among the systems.
    """
    base = next((system for system in systems if system.name == reference), None)
    if base is None:
        return {}
    others = [system for system in systems if system is not base]
    found = {system.name: own for system in others if (own := _differences(system, base, splits))}
    for metric in COMPARED:
        corrected = correct_holm([own[metric].p for own in found.values()])
        for own, p in zip(found.values(), corrected, strict=True):
            own[metric] = replace(own[metric], p_holm=p)
    return found


def _differences(system: SystemResult, base: SystemResult, splits: Sequence[Split]) -> dict[str, PairedDifference]:
    common = [split for split in splits if split.name in system.finished and split.name in base.finished]
    if not common:
        return {}
    share = float(np.mean([len(split.test) / len(split.train) for split in common]))
    names = [split.name for split in common]
    return {
        metric: corrected_difference(system.metric(metric, names), base.metric(metric, names), share)
        for metric in COMPARED
    }


def measure_spread(by_seed: Sequence[Sequence[float]]) -> Mapping[str, float]:
    """Standard deviations of a metric between folds and between seeds.

    Args:
        by_seed: (folds, seeds) values; folds with a single seed say nothing about seeds.

    Returns:
        "between_folds", of the means of the folds, and "between_seeds", the root of the mean variance within a fold,
        both with one degree of freedom less than values; NaN without two values.
    """
    means = [np.mean(values) for values in by_seed]
    within = [np.var(values, ddof=1) for values in by_seed if len(values) > 1]
    return {
        "between_folds": float(np.std(means, ddof=1)) if len(means) > 1 else float("nan"),
        "between_seeds": float(np.sqrt(np.mean(within))) if within else float("nan"),
    }
