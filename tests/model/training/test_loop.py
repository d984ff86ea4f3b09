from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch

from model.config import AugmentationConfig, NetworkConfig, TrainingConfig
from model.data.batches import RaggedData
from model.data.splits import Split
from model.errors import DivergenceError
from model.export.onnx_graphs import random_data
from model.network.can import CrossAttentionNetwork
from model.training.loop import Epoch, predict, train_split, weigh_classes
from tests.builders import tiny_network

PLAIN = TrainingConfig(
    batch_size=16, learning_rate=1e-2, max_epochs=12, patience=4, augmentation=AugmentationConfig(word_dropout=0.0)
)
CONFIG = NetworkConfig(embedding_dim=6, hidden=8, head_count=2, dropout=0.0)


def problem(count: int = 96) -> RaggedData:
    """Four labels: one bit is the first word, the other the audio of all words."""
    network = tiny_network(CONFIG)
    data = random_data([2 + i % 3 for i in range(count)], network, seed=0)
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 4, (count,), generator=generator)
    data.words[data.first_segments] = torch.where(labels % 2 == 0, 2, 3)
    utterance = torch.repeat_interleave(torch.arange(count), data.word_counts)
    audio = (labels // 2)[utterance].float() * 2 - 1
    frames = data.frames + torch.repeat_interleave(audio, data.frame_counts).unsqueeze(1)
    return replace(data, frames=frames, labels=labels)


DATA = problem()
SPLIT = Split("x", np.arange(64), np.arange(64, 80), np.arange(80, 96))


class Trained(NamedTuple):
    network: CrossAttentionNetwork
    best_epoch: int
    history: list[Epoch]


def train(config: TrainingConfig = PLAIN, split: Split = SPLIT, data: RaggedData = DATA) -> Trained:
    network = tiny_network(CONFIG)
    return Trained(network, *train_split(network, [data], split, config, 1.0))


def test_network_learns_words_and_audio() -> None:
    trained = train()
    scores = predict(trained.network, DATA, SPLIT.test).final(0.1)
    assert (scores.argmax(axis=1) == DATA.labels[80:].numpy()).mean() >= 0.9
    assert trained.history[-1].loss < 0.5 * trained.history[0].loss


def test_same_seed_gives_same_weights() -> None:
    short = replace(PLAIN, max_epochs=2, augmentation=AugmentationConfig(colour=0.1, word_dropout=0.1))
    first, second = (train(short).network.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    third = train(replace(short, seed=1)).network.state_dict()
    assert any(not torch.equal(first[name], third[name]) for name in first)


def test_early_stopping_restores_best_weights() -> None:
    """Validation labels are wrong, so that training makes validation worse."""
    labels = DATA.labels.clone()
    labels[64:80] = (labels[64:80] + 1) % 4
    wrong = replace(DATA, labels=labels)
    trained = train(replace(PLAIN, max_epochs=40, patience=3), data=wrong)
    assert len(trained.history) == trained.best_epoch + 3 < 40
    best = max(trained.history, key=lambda epoch: (epoch.validation_wa, -epoch.validation_loss))
    assert best.number == trained.best_epoch
    scores = predict(trained.network, wrong, SPLIT.validation).final(PLAIN.alpha)
    assert (scores.argmax(axis=1) == labels[64:80].numpy()).mean() == pytest.approx(best.validation_wa)


def test_last_weights_are_kept_without_patience() -> None:
    trained = train(replace(PLAIN, max_epochs=3, patience=0), Split("all", np.arange(64), np.arange(0), np.arange(0)))
    assert (trained.best_epoch, len(trained.history)) == (3, 3)


def test_averaged_weights_are_kept() -> None:
    plain, averaged = (train(replace(PLAIN, max_epochs=2, patience=0, averaging=a)).network for a in (0.0, 0.9))
    assert not torch.equal(plain.joint_head.weight, averaged.joint_head.weight)


def test_cosine_schedule_ends_at_zero() -> None:
    """The last of many epochs changes the weights far less than the first."""
    moves: list[float] = []
    before = tiny_network(CONFIG).joint_head.weight.detach().clone()
    network = tiny_network(CONFIG)

    def record_move(epoch: Epoch) -> None:
        nonlocal before
        moves.append(float((network.joint_head.weight.detach() - before).norm()))
        before = network.joint_head.weight.detach().clone()

    train_split(network, [DATA], SPLIT, replace(PLAIN, max_epochs=10, patience=0, schedule="cosine"), 1.0, record_move)
    assert moves[-1] < 0.2 * max(moves)


def test_alpha_0_leaves_unimodal_heads_untrained() -> None:
    network = tiny_network(CONFIG)
    before = network.text_head.weight.detach().clone()
    train_split(network, [DATA], SPLIT, replace(PLAIN, alpha=0.0, max_epochs=1, patience=0), 1.0)
    assert torch.equal(network.text_head.weight, before)


def test_word_vectors_can_be_frozen() -> None:
    network = tiny_network(CONFIG)
    before = network.text_encoder.embedding.weight.detach().clone()
    train_split(network, [DATA], SPLIT, replace(PLAIN, embedding_rate=0.0, max_epochs=1, patience=0), 1.0)
    assert torch.equal(network.text_encoder.embedding.weight, before)
    train_split(network, [DATA], SPLIT, replace(PLAIN, max_epochs=1, patience=0), 1.0)
    assert not torch.equal(network.text_encoder.embedding.weight, before)


@pytest.mark.slow
def test_label_smoothing_reduces_confidence() -> None:
    plain, smoothed = (
        float(np.abs(predict(train(replace(PLAIN, label_smoothing=s)).network, DATA, SPLIT.train).joint).max())
        for s in (0.0, 0.3)
    )
    assert smoothed < plain


def test_class_weights_by_hand() -> None:
    """Training labels 0, 0, 0, 1: shares 3/4 and 1/4 of two classes; the third is not in the training part."""
    labels = torch.tensor([0, 0, 0, 1, 2, 1])
    assert weigh_classes(labels, np.array([0, 1, 2, 3])).tolist() == pytest.approx([4 / 6, 2.0, 0.0])


def test_class_weights_change_the_training() -> None:
    uneven = replace(SPLIT, train=np.flatnonzero(DATA.labels[:64].numpy() != 3)[:40])
    curves = []
    for weighted in (False, True):
        config = replace(PLAIN, max_epochs=1, class_weights=weighted)
        curves.append(train_split(tiny_network(CONFIG), [DATA], uneven, config, 1.0)[1][0].loss)
    assert curves[0] != curves[1]


def test_loss_that_is_not_finite_stops_training() -> None:
    frames = DATA.frames.clone()
    frames[: int(DATA.frame_counts[0])] = float("nan")
    with pytest.raises(
        DivergenceError, match="diverged in epoch 1: the loss is nan; reduce --set training.learning_rate"
    ):
        train(data=replace(DATA, frames=frames))


def test_exploding_loss_stops_training() -> None:
    with pytest.raises(DivergenceError) as raised:
        train(replace(PLAIN, learning_rate=1e6))
    assert np.isfinite(raised.value.loss)
    assert raised.value.loss > 100


def test_high_loss_that_does_not_explode_is_no_divergence() -> None:
    assert len(train(replace(PLAIN, learning_rate=0.3, max_epochs=3, patience=3)).history) == 3


@pytest.mark.parametrize(
    ("validations", "best_epoch", "epochs"),
    [
        # An equal accuracy with a lower loss is better; with the same loss it is not.
        ([(0.5, 1.0), (0.5, 0.9), (0.5, 0.9), (0.4, 0.1), (0.9, 0.1)], 2, 4),
        ([(0.5, 1.0), (0.4, 0.5), (0.6, 2.0), (0.6, 3.0), (0.5, 0.1), (0.9, 0.1)], 3, 5),
        ([(0.5, 1.0), (0.4, 0.9), (0.4, 0.8), (0.9, 0.1)], 1, 3),
        ([(0.1, 1.0), (0.2, 1.0), (0.3, 1.0), (0.4, 1.0)], 4, 4),
    ],
)
def test_patience_counts_epochs_after_the_best_one(
    monkeypatch: pytest.MonkeyPatch, validations: list[tuple[float, float]], best_epoch: int, epochs: int
) -> None:
    results = iter(validations)
    monkeypatch.setattr("model.training.loop._validate", lambda *_: next(results))
    trained = train(replace(PLAIN, patience=2, max_epochs=len(validations)))
    assert (trained.best_epoch, len(trained.history)) == (best_epoch, epochs)
