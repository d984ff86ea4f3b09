import numpy as np
import pytest
from scipy.stats import ttest_rel

from model.report.comparison import correct_holm, corrected_difference, measure_spread

OURS = [0.58, 0.60, 0.55, 0.59, 0.57]
THEIRS = [0.56, 0.57, 0.56, 0.57, 0.55]


def test_uncorrected_test_equals_paired_t_test() -> None:
    difference = corrected_difference(OURS, THEIRS, 0.0)
    reference = ttest_rel(OURS, THEIRS)
    interval = reference.confidence_interval()
    assert [difference.mean, difference.p] == pytest.approx([0.016, reference.pvalue])
    assert [difference.low, difference.high] == pytest.approx([interval.low, interval.high])


def test_corrected_test_by_hand() -> None:
    """Two folds, differences 1 and 3: mean 2, variance 2, error √((1/2 + 1/8) · 2) = √1.25, t = 12.7062 on 1 degree."""
    difference = corrected_difference([1.0, 3.0], [0.0, 0.0], 1 / 8)
    assert difference.mean == 2.0
    assert difference.high - difference.mean == pytest.approx(12.7062 * np.sqrt(1.25), rel=1e-5)


def test_single_fold_has_no_interval() -> None:
    difference = corrected_difference([0.5], [0.4], 0.1)
    assert difference.mean == pytest.approx(0.1)
    assert np.isnan([difference.low, difference.high, difference.p]).all()
    assert np.isnan(corrected_difference([0.5], [0.5], 0.1).p)


def test_the_same_difference_in_all_folds_has_no_interval() -> None:
    """One more of 203 utterances in each fold; a variance of zero would give p = 0."""
    counts = np.array([122, 121, 125])
    difference = corrected_difference(list((counts + 1) / 203), list(counts / 203), 0.1)
    assert difference.mean == pytest.approx(1 / 203)
    assert np.isnan([difference.low, difference.high, difference.p]).all()


def test_equal_metrics_do_not_differ() -> None:
    assert corrected_difference(OURS, OURS, 0.1).p == 1.0


def test_holm_by_hand() -> None:
    """Of .01, .04, .03, .005 in order .005 × 4, .01 × 3, .03 × 2, and .04 × 1, at least as large as the one before."""
    assert correct_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_is_at_most_one_and_ignores_missing_values() -> None:
    corrected = correct_holm([0.6, float("nan"), 0.7])
    assert corrected[0] == corrected[2] == 1.0
    assert np.isnan(corrected[1])
    assert correct_holm([]) == []


def test_spread_between_folds_and_seeds_by_hand() -> None:
    """Means .5 and .7; variances within the folds .02 and 0."""
    spread = measure_spread([[0.4, 0.6], [0.7, 0.7]])
    assert spread["between_folds"] == pytest.approx(np.std([0.5, 0.7], ddof=1))
    assert spread["between_seeds"] == pytest.approx(0.01**0.5)


def test_single_seed_has_no_spread_between_seeds() -> None:
    assert np.isnan(measure_spread([[0.4], [0.5]])["between_seeds"])
