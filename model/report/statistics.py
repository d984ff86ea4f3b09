"""Whether two rows differ: folds share training data, so that a plain t-test sees differences that are not there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean difference between two rows on the same folds.

    Attributes:
        mean: of the folds' differences.
        low: lower end of the 95 % confidence interval.
        high: upper end.
        p: two-sided.
    """

    mean: float
    low: float
    high: float
    p: float


def corrected_difference(ours: Sequence[float], theirs: Sequence[float], test_share: float) -> PairedDifference:
    """Corrected resampled t-test on k folds.

    Args:
        ours: (folds,) figures of one row.
        theirs: (folds,) figures of the other, in the same order.
        test_share: tested per trained utterance, 1/8 for 8:1:1.

    Returns:
        NaN but for the mean when there is one fold.

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
