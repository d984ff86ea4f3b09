import pytest

from model.errors import TrainingError
from model.recipes import PAPER, change, choose_recipe


def test_the_paper_s_own_values() -> None:
    """Section 4.2."""
    assert (PAPER.features.mfcc.n_mfcc, PAPER.features.overlap) == (40, 0.1)
    assert (PAPER.features.mfcc.window_samples, PAPER.features.mfcc.hop_samples) == (400, 160)
    assert (PAPER.network.hidden, PAPER.network.dropout, PAPER.network.heads) == (128, 0.3, 4)
    training = PAPER.training
    assert (training.batch_size, training.learning_rate, training.clip_norm) == (64, 1e-3, 1.0)
    assert (training.alpha, training.patience) == (0.1, 10)


def test_single_settings_change() -> None:
    changed = change(
        PAPER,
        [
            "network.dropout=0.2",
            "network.head_mode=split",
            "training.augmentation.speeds=1.0,0.9",
            "features.mfcc.n_mels=128",
        ],
    )
    assert (changed.network.dropout, changed.network.head_mode) == (0.2, "split")
    assert changed.training.augmentation.speeds == (1.0, 0.9)
    assert changed.features.mfcc.n_mels == 128
    assert PAPER.network.dropout == 0.3


@pytest.mark.parametrize(
    "setting",
    ["network.dropout", "network.drop=1", "network=1", "x.y=1", "network.dropout=much", "network.head_mode=odd"],
)
def test_what_does_not_exist_is_refused(setting: str) -> None:
    with pytest.raises(TrainingError, match="--set"):
        change(PAPER, [setting])


def test_an_unknown_recipe() -> None:
    with pytest.raises(TrainingError, match="paper, starter"):
        choose_recipe("best", [])
