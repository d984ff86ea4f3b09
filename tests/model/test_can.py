import numpy as np
import pytest
import torch

from model.can import Prediction
from model.config import NetworkConfig
from model.contract import final_log_scores
from model.export import random_data
from model.objective import training_loss
from tests.builders import TINY, tiny_network

CONFIGS = [
    TINY,
    NetworkConfig(embedding_dim=6, hidden=4, heads=2, dropout=0.0, head_mode="split"),
    NetworkConfig(embedding_dim=6, hidden=4, heads=2, dropout=0.0, cross_attention=False),
]


def test_eq_13_and_14_by_hand() -> None:
    joint = torch.log(torch.tensor([[0.5, 0.5]]))
    text, audio = torch.log(torch.tensor([[0.25, 0.75]])), torch.log(torch.tensor([[0.125, 0.875]]))
    prediction = Prediction(joint, text, audio, torch.empty(0), torch.empty(0))
    loss = training_loss(prediction, torch.tensor([0]), alpha=0.1)
    assert float(loss) == pytest.approx(np.log(2) + 0.1 * (np.log(4) + np.log(8)), rel=1e-6)


def test_without_the_additional_loss() -> None:
    joint, text, audio = torch.randn(3, 3, 4)
    prediction = Prediction(joint, text, audio, torch.empty(0), torch.empty(0))
    labels = torch.tensor([0, 1, 2])
    expected = torch.nn.functional.cross_entropy(joint, labels)
    assert float(training_loss(prediction, labels, alpha=0.0)) == pytest.approx(float(expected))


@pytest.mark.parametrize("config", CONFIGS)
def test_contributions_and_biases_add_up_to_the_log_scores(config: NetworkConfig) -> None:
    network = tiny_network(config)
    data = random_data((3, 1, 7), network, seed=0)
    batch = data.batch(torch.arange(3))
    with torch.no_grad():
        text, audio = network.encode(batch)
        prediction = network.attend(text, audio, batch.mask)
        shares = network.explain(text, audio, prediction, alpha=0.3)
    final = final_log_scores(prediction.joint.numpy(), (prediction.text.numpy(), prediction.audio.numpy()), 0.3)
    total = (shares.text.sum(dim=1) + shares.audio.sum(dim=1) + shares.bias).numpy()
    difference = final - total
    np.testing.assert_allclose(difference, np.broadcast_to(difference[:, :1], difference.shape), atol=1e-5)
    np.testing.assert_array_equal(shares.text[1, 1:].numpy(), 0)


@pytest.mark.parametrize("config", CONFIGS)
def test_neighbours_in_a_batch_change_nothing(config: NetworkConfig) -> None:
    """Padding words, and frames of other lengths, never change a score."""
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


def test_the_padding_row_of_the_embedding_stays_zero() -> None:
    network = tiny_network().train()
    data = random_data((4, 2), network, seed=0)
    prediction = network(data.batch(torch.arange(2)))
    training_loss(prediction, torch.tensor([0, 1]), alpha=0.1).backward()
    gradient = network.text_encoder.embedding.weight.grad
    assert gradient is not None
    assert float(gradient[0].abs().max()) == 0
