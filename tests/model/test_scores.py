import numpy as np
import pytest

from model.scores import final_log_scores, log_softmax


def test_eq_15_by_hand() -> None:
    """ŷ = (.5, .5), ŷᵀ = (.8, .2), ŷᴬ = (.1, .9): the product with α = 1 is (.04, .09)."""
    joint, text, audio = (np.log([row]) for row in ([0.5, 0.5], [0.8, 0.2], [0.1, 0.9]))
    np.testing.assert_allclose(np.exp(final_log_scores(joint, (text, audio), 1.0)), [[0.04, 0.09]])
    half = np.exp(final_log_scores(joint, (text, audio), 0.5))
    np.testing.assert_allclose(half, [[0.5 * np.sqrt(0.08), 0.5 * np.sqrt(0.18)]])


def test_alpha_0_ignores_unimodal_heads() -> None:
    joint, text, audio = np.array([[1.0, 2.0]]), np.array([[50.0, 0.0]]), np.array([[50.0, 0.0]])
    np.testing.assert_allclose(final_log_scores(joint, (text, audio), 0.0), log_softmax(joint))


def test_log_softmax_of_large_logits_is_finite() -> None:
    scores = log_softmax(np.array([[1e4, -1e4, 0.0]], np.float32))
    assert np.isfinite(scores).all()
    assert np.exp(scores).sum() == pytest.approx(1.0)
