import torch

from model.config import AugmentationConfig, TrainingConfig
from model.export.onnx_graphs import random_data
from model.training.augmentation import Augmenter
from model.vocabulary import UNKNOWN
from tests.builders import tiny_network

DATA = random_data((20, 30, 25), tiny_network(), seed=0)
ALL = torch.arange(3)


def augmenter(config: AugmentationConfig) -> Augmenter:
    return Augmenter([DATA], TrainingConfig(augmentation=config), 2.0, torch.Generator().manual_seed(0))


def test_disabled_augmentation_changes_nothing() -> None:
    batch = augmenter(AugmentationConfig(word_dropout=0.0)).batch(ALL)
    plain = DATA.batch(ALL)
    torch.testing.assert_close(batch.frames.data, plain.frames.data)
    assert torch.equal(batch.words, plain.words)


def test_gain_shifts_first_coefficient_of_whole_utterance() -> None:
    batch, plain = augmenter(AugmentationConfig(gain_db=6.0, word_dropout=0.0)).batch(ALL), DATA.batch(ALL)
    difference = batch.frames.data - plain.frames.data
    assert float(difference[:, 1:].abs().max()) < 1e-6
    assert len(difference[:, 0].mul(1e4).round().unique()) == 3


def test_colour_is_one_offset_per_utterance_and_coefficient() -> None:
    batch, plain = augmenter(AugmentationConfig(colour=0.5, word_dropout=0.0)).batch(ALL), DATA.batch(ALL)
    difference = (batch.frames.data - plain.frames.data).mul(1e4).round()
    assert len(difference.unique(dim=0)) == 3


def test_dropped_words_become_unknown() -> None:
    batch, plain = augmenter(AugmentationConfig(word_dropout=0.5)).batch(ALL), DATA.batch(ALL)
    changed = batch.words != plain.words
    assert 0.25 < float(changed.sum() / plain.mask.sum()) < 0.7
    assert (batch.words[changed] == UNKNOWN).all()
    assert (batch.words[~plain.mask] == 0).all()


def test_dropped_segments_become_mean_frame() -> None:
    batch = augmenter(AugmentationConfig(segment_dropout=0.5, word_dropout=0.0)).batch(ALL)
    zero = (batch.frames.data == 0).all(dim=1)
    share = len(batch.segment_of_row[zero].unique()) / len(batch.frame_counts)
    assert 0.3 < share < 0.7
    assert not set(batch.segment_of_row[zero].tolist()) & set(batch.segment_of_row[~zero].tolist())


def test_same_seed_gives_same_batches() -> None:
    config = AugmentationConfig(gain_db=1.0, colour=0.1, frame_noise=0.1, word_dropout=0.2)
    first, second = augmenter(config).batch(ALL), augmenter(config).batch(ALL)
    assert torch.equal(first.frames.data, second.frames.data)
    assert torch.equal(first.words, second.words)


def test_dropped_coefficients_become_their_mean_throughout_an_utterance() -> None:
    batch = augmenter(AugmentationConfig(coefficient_dropout=0.3, word_dropout=0.0)).batch(ALL)
    plain, rows = DATA.batch(ALL).frames.data, batch.utterance_of_row
    dropped = torch.stack([(batch.frames.data[rows == u] == 0).all(dim=0) for u in range(3)])
    assert 0.15 < float(dropped.float().mean()) < 0.45
    assert len(dropped.unique(dim=0)) == 3
    torch.testing.assert_close(batch.frames.data, plain * ~dropped[rows])
