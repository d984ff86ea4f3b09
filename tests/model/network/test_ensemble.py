"""Averaged networks: mean in evaluation, the rows of all members in training, one table of word vectors."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from model.export.onnx_graphs import random_data
from model.network.ensemble import members_of
from tests.builders import TINY, tiny_network, tiny_networks

CONFIG = replace(TINY, members=3)


def test_logits_are_the_mean_of_the_members() -> None:
    network = tiny_networks(CONFIG)
    batch = random_data((3, 1, 5), network, seed=0).batch(torch.arange(3))
    members = members_of(network)
    assert len(members) == 3
    logits = torch.stack([member(batch).joint for member in members])
    assert float(logits.detach().std(dim=0).min()) > 0
    torch.testing.assert_close(network(batch).joint, logits.mean(dim=0))


def test_training_has_the_rows_of_all_members() -> None:
    network = tiny_networks(CONFIG).train()
    batch = random_data((3, 1, 5), network, seed=0).batch(torch.arange(3))
    prediction = network(batch)
    torch.testing.assert_close(prediction.audio, torch.cat([member(batch).audio for member in members_of(network)]))


def test_members_share_the_word_vectors() -> None:
    network = tiny_networks(CONFIG)
    assert sum(isinstance(layer, nn.Embedding) for layer in network.modules()) == 1


def test_one_member_is_the_network_itself() -> None:
    network = tiny_network()
    assert members_of(network) == [network]


def test_another_network_cannot_be_served() -> None:
    with pytest.raises(TypeError, match="Linear"):
        members_of(nn.Linear(1, 1))
