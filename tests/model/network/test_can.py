import numpy as np
import pytest
import torch

from model.config import NetworkConfig
from model.export.onnx_graphs import random_data
from model.network.can import Prediction
from model.network.losses import training_loss
from model.scores import final_log_scores
from tests.builders import TINY, tiny_network

CONFIGS = [
    TINY,
    NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.0, heads="split"),
    NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.0, heads="projected"),
    NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.0, cross_attention=False),
    NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.0, pooled_frames=80),
]


def test_eq_13_and_14_by_hand() -> None:
    joint = torch.log(torch.tensor([[0.5, 0.5]]))
    text, audio = torch.log(torch.tensor([[0.25, 0.75]])), torch.log(torch.tensor([[0.125, 0.875]]))
    prediction = Prediction(joint, text, audio, torch.empty(0), torch.empty(0))
    loss = training_loss(prediction, torch.tensor([0]), alpha=0.1)
    assert float(loss) == pytest.approx(np.log(2) + 0.1 * (np.log(4) + np.log(8)), rel=1e-6)


def test_weighted_loss_by_hand() -> None:
    """Losses log 2 and log 4 with weights 1 and 3: their weighted mean."""
    joint = torch.log(torch.tensor([[0.5, 0.5], [0.75, 0.25]]))
    prediction = Prediction(joint, joint, joint, torch.empty(0), torch.empty(0))
    loss = training_loss(prediction, torch.tensor([0, 1]), alpha=0.0, weights=torch.tensor([1.0, 3.0]))
    assert float(loss) == pytest.approx((np.log(2) + 3 * np.log(4)) / 4, rel=1e-6)


def test_alpha_0_removes_unimodal_losses() -> None:
    joint, text, audio = torch.randn(3, 3, 4)
    prediction = Prediction(joint, text, audio, torch.empty(0), torch.empty(0))
    labels = torch.tensor([0, 1, 2])
    expected = torch.nn.functional.cross_entropy(joint, labels)
    assert float(training_loss(prediction, labels, alpha=0.0)) == pytest.approx(float(expected))


@pytest.mark.parametrize("config", CONFIGS)
def test_contributions_and_biases_sum_to_log_scores(config: NetworkConfig) -> None:
    network = tiny_network(config)
    data = random_data((3, 1, 7), network, seed=0)
    batch = data.batch(torch.arange(3))
    with torch.no_grad():
        text, audio = network.encode(batch)
        prediction = network.attend(text, audio, batch.mask)
        contributions = network.explain(text, audio, prediction, alpha=0.3)
    final = final_log_scores(prediction.joint.numpy(), (prediction.text.numpy(), prediction.audio.numpy()), 0.3)
    total = (contributions.text.sum(dim=1) + contributions.audio.sum(dim=1) + contributions.bias).numpy()
    difference = final - total
    np.testing.assert_allclose(difference, np.broadcast_to(difference[:, :1], difference.shape), atol=1e-5)
    np.testing.assert_array_equal(contributions.text[1, 1:].numpy(), 0)


@pytest.mark.parametrize("config", CONFIGS)
def test_batch_equals_single_utterances(config: NetworkConfig) -> None:
    """Padded words, and segments of other lengths, do not change a score."""
    network = tiny_network(config)
    data = random_data((2, 9, 1, 5), network, seed=1)
    with torch.no_grad():
        together = network(data.batch(torch.arange(4)))
        for index in range(4):
            alone = network(data.batch(torch.tensor([index])))
            torch.testing.assert_close(alone.joint[0], together.joint[index], atol=1e-6, rtol=0)
            words = int(data.word_counts[index])
            torch.testing.assert_close(
                alone.text_attention[0], together.text_attention[index, :, :words], atol=1e-6, rtol=0
            )


def test_attention_sums_to_one_per_head() -> None:
    network = tiny_network()
    with torch.no_grad():
        prediction = network(random_data((4, 2), network, seed=0).batch(torch.arange(2)))
    for weights in (prediction.text_attention, prediction.audio_attention):
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 2))


def test_padding_row_of_embedding_has_no_gradient() -> None:
    network = tiny_network().train()
    data = random_data((4, 2), network, seed=0)
    prediction = network(data.batch(torch.arange(2)))
    training_loss(prediction, torch.tensor([0, 1]), alpha=0.1).backward()
    gradient = network.text_encoder.embedding.weight.grad
    assert gradient is not None
    assert float(gradient[0].abs().max()) == 0


def crossed_gradients(which: int, *, stop: bool = True) -> dict[str, float]:
    """Largest gradients of a joint logit through one of the four contexts: 1 is c^TA, 3 is c^AT."""
    network = tiny_network(NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.0, stop_gradient=stop))
    with torch.no_grad():
        for block, weights in enumerate(network.joint_head.weight.chunk(4, dim=1)):
            weights.mul_(1.0 if block == which else 0.0)
    text, audio = (torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(s), requires_grad=True) for s in (1, 2))
    network.attend(text, audio, torch.ones(1, 5, dtype=torch.bool)).joint[0, 0].backward()
    tensors = {"H^T": text, "H^A": audio, "q^T": network.text_query.queries, "q^A": network.audio_query.queries}
    return {name: 0.0 if tensor.grad is None else float(tensor.grad.abs().max()) for name, tensor in tensors.items()}


def test_gradient_of_c_ta_reaches_audio_states_only() -> None:
    gradients = crossed_gradients(1)
    assert gradients["H^A"] > 1e-3
    assert gradients["H^T"] == gradients["q^T"] == gradients["q^A"] == 0


def test_gradient_of_c_at_reaches_text_states_only() -> None:
    gradients = crossed_gradients(3)
    assert gradients["H^T"] > 1e-3
    assert gradients["H^A"] == gradients["q^A"] == gradients["q^T"] == 0


@pytest.mark.parametrize(("which", "query", "states"), [(1, "q^T", "H^T"), (3, "q^A", "H^A")])
def test_gradient_reaches_query_and_states_without_stop_gradient(which: int, query: str, states: str) -> None:
    gradients = crossed_gradients(which, stop=False)
    assert gradients[query] > 1e-4
    assert gradients[states] > 1e-4
