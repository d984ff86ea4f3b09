from dataclasses import replace

import pytest
import torch

from model.config import AugmentationConfig, NetworkConfig, TrainingConfig
from model.network.can import CrossAttentionNetwork
from model.training.loop import train_split
from model.training.used_words import used_words
from tests.builders import tiny_network
from tests.model.training.test_loop import DATA, SPLIT

CONFIG = NetworkConfig(embedding_dim=6, hidden=8, head_count=2, dropout=0.0)
TRAINING = TrainingConfig(
    batch_size=16, max_epochs=3, patience=0, averaging=0.5, augmentation=AugmentationConfig(word_dropout=0.2)
)
UNUSED_LAST = replace(DATA, words=DATA.words.clamp(max=10))


def table_of(network: CrossAttentionNetwork) -> torch.Tensor:
    table: torch.Tensor = network.text_encoder.embedding.weight.detach()
    return table


def test_training_is_the_same_as_with_the_full_table() -> None:
    full, reduced = tiny_network(CONFIG), tiny_network(CONFIG)
    _, history = train_split(full, [UNUSED_LAST], SPLIT, TRAINING, 1.0)
    with used_words(reduced, [UNUSED_LAST]) as compact:
        assert len(table_of(reduced)) == 11 < len(table_of(full))
        _, own_history = train_split(reduced, compact, SPLIT, TRAINING, 1.0)
    assert [epoch.loss for epoch in own_history] == pytest.approx([epoch.loss for epoch in history], rel=1e-5)
    expected = full.state_dict()
    assert all(torch.allclose(value, expected[name], atol=1e-5) for name, value in reduced.state_dict().items())


def test_rows_of_other_words_stay_and_rows_of_used_words_are_trained() -> None:
    network = tiny_network(CONFIG)
    before = table_of(network).clone()
    with used_words(network, [UNUSED_LAST]) as compact:
        train_split(network, compact, SPLIT, TRAINING, 1.0)
    changed = (table_of(network) != before).any(dim=1)
    assert not changed[11:].any()
    assert not changed[0]
    assert changed[2:4].all()
    assert network.text_encoder.embedding.num_embeddings == len(before)


def test_an_interruption_restores_the_table() -> None:
    network = tiny_network(CONFIG)
    before = table_of(network).clone()
    with pytest.raises(KeyboardInterrupt), used_words(network, [UNUSED_LAST]):
        raise KeyboardInterrupt
    assert torch.equal(table_of(network), before)
