"""Eqs. (4) to (9), worked by hand, and where their gradients go."""

import math

import pytest
import torch
from torch import Tensor

from model.config import NetworkConfig
from model.network.attention import GlobalAttention, stop_gradient
from model.network.can import CrossAttentionNetwork
from tests.builders import tiny_network

# Two words of two values; the query looks at the first value only, in logarithms of 1 and 3.
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


def test_eq_6_and_8_a_modality_by_its_own_weights(one_head: GlobalAttention) -> None:
    context = one_head.gather(one_head(STATES, BOTH), STATES)
    torch.testing.assert_close(context, torch.tensor([[0.75 * math.log(3.0), 0.25 * 2 + 0.75 * 6]]))


def test_eq_7_and_9_the_other_modality_by_the_same_weights(one_head: GlobalAttention) -> None:
    context = one_head.gather(one_head(STATES, BOTH), OTHER)
    torch.testing.assert_close(context, torch.tensor([[0.25 * 10 + 0.75 * 20, 0.75 * 4]]))


def test_padding_gets_no_weight(one_head: GlobalAttention) -> None:
    weights = one_head(STATES, torch.tensor([[True, False]]))
    torch.testing.assert_close(weights, torch.tensor([[[1.0, 0.0]]]))


def test_full_heads_see_all_and_their_contexts_are_joined() -> None:
    attention = GlobalAttention(2, 2, "full")
    with torch.no_grad():
        attention.queries.copy_(torch.tensor([[1.0, 0.0], [0.0, math.log(3.0) / 4]]))
    weights = attention(STATES, BOTH)
    # Second head: scores log 3 / 2 and 3 log 3 / 2, so exp gives √3 and 3√3, 1 : 3 again.
    torch.testing.assert_close(weights, torch.tensor([[[0.25, 0.75], [0.25, 0.75]]]))
    assert attention.gather(weights, STATES).shape == (1, 4)


def test_split_heads_see_their_own_part() -> None:
    attention = GlobalAttention(2, 2, "split")
    with torch.no_grad():
        attention.queries.copy_(torch.tensor([[1.0], [0.0]]))
    weights = attention(STATES, BOTH)
    torch.testing.assert_close(weights, torch.tensor([[[0.25, 0.75], [0.5, 0.5]]]))
    torch.testing.assert_close(attention.gather(weights, STATES), torch.tensor([[0.75 * math.log(3.0), 4.0]]))


def test_stop_gradient_keeps_values() -> None:
    weights = torch.tensor([0.25, 0.75], requires_grad=True)
    stopped = stop_gradient(weights, enabled=True)
    assert torch.equal(stopped, weights)
    assert not stopped.requires_grad
    assert stop_gradient(weights, enabled=False) is weights


def crossed_gradients(config: NetworkConfig, asked: str) -> dict[str, float]:
    """Size of the gradient of c^TA or c^AT with respect to queries and states."""
    network: CrossAttentionNetwork = tiny_network(config)
    size = 2 * config.hidden
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(2, 3, size, generator=generator, requires_grad=True)
    audio = torch.randn(2, 3, size, generator=generator, requires_grad=True)
    query = network.text_query if asked == "TA" else network.audio_query
    own, other = (text, audio) if asked == "TA" else (audio, text)
    mask = torch.tensor([[True, True, True], [True, True, False]])
    weights = stop_gradient(query(own, mask), config.stop_gradient)
    context = query.gather(weights, other)
    found = torch.autograd.grad(context.sum(), [query.queries, own, other], allow_unused=True)
    return {name: _size(gradient) for name, gradient in zip(("query", "own", "other"), found, strict=True)}


def _size(gradient: Tensor | None) -> float:
    return 0.0 if gradient is None else float(gradient.abs().max())


@pytest.mark.parametrize("asked", ["TA", "AT"])
def test_the_stop_gradient_really_stops(asked: str) -> None:
    config = NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.0)
    gradients = crossed_gradients(config, asked)
    assert gradients["query"] == 0
    assert gradients["own"] == 0
    assert gradients["other"] > 0


@pytest.mark.parametrize("asked", ["TA", "AT"])
def test_without_it_gradients_flow(asked: str) -> None:
    config = NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.0, stop_gradient=False)
    assert min(crossed_gradients(config, asked).values()) > 0


@pytest.mark.parametrize("enabled", [True, False])
def test_the_network_stops_it_in_both_directions(enabled: bool) -> None:
    """The joint head reads only the crossed contexts here, so that a query's gradient could come from nowhere else."""
    network = tiny_network(NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.0, stop_gradient=enabled))
    width = network.joint_head.weight.shape[1] // 4
    with torch.no_grad():
        network.joint_head.weight[:, :width] = 0
        network.joint_head.weight[:, 2 * width : 3 * width] = 0
    generator = torch.Generator().manual_seed(1)
    text, audio = torch.randn(2, 2, 3, 8, generator=generator).unbind()
    prediction = network.attend(text, audio, torch.ones(2, 3, dtype=torch.bool))
    queries = [network.text_query.queries, network.audio_query.queries]
    gradients = torch.autograd.grad(prediction.joint[:, 0].sum(), queries, allow_unused=True)
    assert [_size(gradient) > 0 for gradient in gradients] == [not enabled] * 2
