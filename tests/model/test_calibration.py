import numpy as np
import pytest

from model.training.metrics import fit_temperature


def test_overconfidence_is_cooled() -> None:
    """Labels drawn from softmax(s); scores given as 3 s have temperature 3."""
    generator = np.random.default_rng(0)
    scores = generator.standard_normal((4_000, 3))
    gumbel = generator.gumbel(size=scores.shape)
    labels = (scores + gumbel).argmax(axis=1)
    assert fit_temperature(3 * scores, labels) == pytest.approx(3.0, rel=0.1)
