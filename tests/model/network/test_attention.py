"""Eqs. (4) to (9) against hand-computed values; gradients are tested in test_can.py."""

import math

import pytest
import torch
from torch import nn

from model.network.attention import GlobalAttention, stop_gradient

# Two words of two values; the query reads only the first value, log 1 and log 3.
STATES = torch.tensor([[[math.log(1.0), 2.0], [math.log(3.0), 6.0]]])
OTHER = torch.tensor([[[10.0, 0.0], [20.0, 4.0]]])
BOTH = torch.tensor([[True, True]])


@pytest.fixture
def one_head() -> GlobalAttention:
    attention = GlobalAttention(2, 1, "full")
    with torch.no_grad():
        attention.queries.copy_(torch.tensor([[1.0, 0.0]]))
    return attention


def test_eq_4_and_5_softmax_over_words(one_head: GlobalAttention) -> None:
    # exp(log 1) : exp(log 3) = 1 : 3.
    torch.testing.assert_close(one_head(STATES, BOTH), torch.tensor([[[0.25, 0.75]]]))


def test_eq_6_and_8_context_of_own_modality(one_head: GlobalAttention) -> None:
    context = one_head.gather(one_head(STATES, BOTH), STATES)
    torch.testing.assert_close(context, torch.tensor([[0.75 * math.log(3.0), 0.25 * 2 + 0.75 * 6]]))


def test_eq_7_and_9_context_of_other_modality(one_head: GlobalAttention) -> None:
    context = one_head.gather(one_head(STATES, BOTH), OTHER)
    torch.testing.assert_close(context, torch.tensor([[0.25 * 10 + 0.75 * 20, 0.75 * 4]]))


def test_padding_has_zero_weight(one_head: GlobalAttention) -> None:
    weights = one_head(STATES, torch.tensor([[True, False]]))
    torch.testing.assert_close(weights, torch.tensor([[[1.0, 0.0]]]))


def test_full_heads_read_all_values_and_contexts_are_concatenated() -> None:
    attention = GlobalAttention(2, 2, "full")
    with torch.no_grad():
        attention.queries.copy_(torch.tensor([[1.0, 0.0], [0.0, math.log(3.0) / 4]]))
    weights = attention(STATES, BOTH)
    # Second head: scores log 3 / 2 and 3 log 3 / 2, so exp gives √3 and 3√3, 1 : 3 again.
    torch.testing.assert_close(weights, torch.tensor([[[0.25, 0.75], [0.25, 0.75]]]))
    assert attention.gather(weights, STATES).shape == (1, 4)


def test_split_heads_read_their_own_part() -> None:
    attention = GlobalAttention(2, 2, "split")
    with torch.no_grad():
        attention.queries.copy_(torch.tensor([[1.0], [0.0]]))
    weights = attention(STATES, BOTH)
    torch.testing.assert_close(weights, torch.tensor([[[0.25, 0.75], [0.5, 0.5]]]))
    torch.testing.assert_close(attention.gather(weights, STATES), torch.tensor([[0.75 * math.log(3.0), 4.0]]))


def test_projected_heads_equal_multi_head_attention() -> None:
    """The library's layer with one fixed query, no biases and no output projection."""
    attention = GlobalAttention(8, 4, "projected")
    assert attention.projections is not None
    reference = nn.MultiheadAttention(8, 4, bias=False, batch_first=True)
    with torch.no_grad():
        identity, keys, values = torch.eye(8), attention.projections.keys.weight, attention.projections.values.weight
        reference.in_proj_weight.copy_(torch.cat([identity, keys, values]))
        reference.out_proj.weight.copy_(identity)
    states, mask = torch.randn(3, 5, 8), torch.arange(5) < torch.tensor([[5], [2], [1]])
    query = attention.queries.flatten().expand(3, 1, 8)
    expected, weights = reference(query, states, states, key_padding_mask=~mask, average_attn_weights=False)
    found = attention(states, mask)
    torch.testing.assert_close(found, weights.squeeze(2))
    torch.testing.assert_close(attention.gather(found, states), expected.squeeze(1))


def test_only_projected_heads_have_projections() -> None:
    for heads in ("full", "split"):
        assert [name for name, _ in GlobalAttention(8, 4, heads).named_parameters()] == ["queries"]


def test_stop_gradient_keeps_values() -> None:
    weights = torch.tensor([0.25, 0.75], requires_grad=True)
    stopped = stop_gradient(weights, enabled=True)
    assert torch.equal(stopped, weights)
    assert not stopped.requires_grad
    assert stop_gradient(weights, enabled=False) is weights
