"""Order of training utterances."""

import numpy as np
import pytest
import torch

from model.config import TrainingConfig
from model.errors import TrainingError
from model.training.sampling import balanced_weights, choose_order

LABELS = np.array([0, 0, 0, 0, 1, 1])
SOURCES = ("a", "a", "a", "b", "b", "c")


def test_emotions_are_even_and_corpora_have_their_shares() -> None:
    weights = balanced_weights(LABELS, SOURCES, {"a": 2.0, "b": 1.0})
    # Label 0: a has 2/3, b 1/3; label 1: only b has it; c has no share.
    expected = [2 / 3 / 3 / 2] * 3 + [1 / 3 / 2, 1 / 2, 0.0]
    np.testing.assert_allclose(weights, expected)


def test_share_of_no_utterance_is_refused() -> None:
    with pytest.raises(TrainingError, match="names d, but the utterances are of a, b, c"):
        balanced_weights(LABELS, SOURCES, {"d": 1.0})


def test_without_balance_every_utterance_is_drawn_once() -> None:
    draw = choose_order(TrainingConfig(batch_size=4), np.array([5, 1, 3, 0, 2]), LABELS, ())
    batches = list(draw(torch.Generator().manual_seed(0)))
    assert [len(batch) for batch in batches] == [4, 1]
    assert sorted(torch.cat(batches).tolist()) == [0, 1, 2, 3, 5]


def test_balanced_draws_follow_the_weights() -> None:
    config = TrainingConfig(batch_size=500, balance=("a=2", "b=1"))
    draw = choose_order(config, np.array([0, 1, 2, 3, 4]), LABELS, SOURCES)
    [drawn] = draw(torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn, minlength=5) / len(drawn)
    np.testing.assert_allclose(shares, [1 / 9, 1 / 9, 1 / 9, 1 / 6, 1 / 2], atol=0.06)
