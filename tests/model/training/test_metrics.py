import numpy as np
import pytest

from model.training.metrics import calibration_error, compute_metrics, fit_temperature

# True classes 0, 0, 0, 1; predicted 0, 0, 1, 1.
SCORES = np.log(np.array([[0.8, 0.2, 0.0001], [0.7, 0.3, 0.0001], [0.4, 0.6, 0.0001], [0.1, 0.9, 0.0001]]))
LABELS = np.array([0, 0, 0, 1])


def test_metrics_by_hand() -> None:
    metrics = compute_metrics(SCORES, LABELS)
    assert metrics.wa == 0.75
    assert metrics.ua == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.recall == [pytest.approx(2 / 3), 1.0, 0.0]
    assert metrics.weighted_precision == pytest.approx(0.75 * 1 + 0.25 * 0.5)
    assert metrics.macro_precision == pytest.approx(0.75)
    assert metrics.confusion == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert metrics.count == 4


def test_calibration_error_by_hand() -> None:
    # Two predictions at .9, one correct: accuracy .5, confidence .9.
    scores = np.log(np.array([[0.9, 0.1], [0.9, 0.1]]))
    assert calibration_error(scores, np.array([0, 1])) == pytest.approx(0.4)


def test_certain_and_correct_is_calibrated() -> None:
    assert calibration_error(np.array([[50.0, 0.0]]), np.array([0])) == pytest.approx(0.0, abs=1e-9)


def test_temperature_of_overconfident_scores_is_fitted() -> None:
    """Labels drawn from softmax(s); scores given as 3 s have temperature 3."""
    generator = np.random.default_rng(0)
    scores = generator.standard_normal((4_000, 3))
    labels = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
    assert fit_temperature(3 * scores, labels) == pytest.approx(3.0, rel=0.1)
