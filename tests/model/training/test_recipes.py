import re
from dataclasses import asdict, replace

import pytest

from model.bundle import CONFIG, locate_bundle, read_config
from model.config import AugmentationConfig
from model.errors import TrainingError
from model.training.recipes import (
    LITERAL,
    PAPER,
    STARTER,
    STARTER_MFCC,
    Recipe,
    change,
    choose_recipe,
    format_value,
    leaves,
)
from tests.test_documents import read_document


def test_paper_recipe_has_published_values() -> None:
    """Section 4.2."""
    assert (PAPER.features.mfcc.n_mfcc, PAPER.features.overlap) == (40, 0.1)
    assert (PAPER.features.mfcc.window_samples, PAPER.features.mfcc.hop_samples) == (400, 160)
    assert (PAPER.network.hidden, PAPER.network.dropout, PAPER.network.head_count) == (128, 0.3, 4)
    training = PAPER.training
    assert (training.batch_size, training.learning_rate, training.clip_norm) == (64, 1e-3, 1.0)
    assert (training.alpha, training.patience) == (0.1, 10)


def test_single_settings_can_be_changed() -> None:
    changed = change(
        PAPER,
        [
            "network.dropout=0.2",
            "network.heads=split",
            "training.augmentation.speeds=1.0,0.9",
            "features.mfcc.n_mels=128",
            "features.mfcc.pre_emphasis=0",
            "features.overlap=0.2",
            "features.fillers=dropped",
            "network.hidden=64",
            "network.pooled_frames=300",
            "network.segment_dropout=frames",
            "training.normalise=false",
        ],
    )
    assert (changed.network.dropout, changed.network.heads) == (0.2, "split")
    assert changed.training.augmentation.speeds == (1.0, 0.9)
    assert (changed.features.mfcc.n_mels, changed.features.mfcc.pre_emphasis) == (128, 0.0)
    assert (changed.features.overlap, changed.features.fillers) == (0.2, "dropped")
    assert (changed.network.hidden, changed.network.pooled_frames) == (64, 300)
    assert (changed.network.segment_dropout, changed.training.normalise) == ("frames", False)
    assert PAPER.network.dropout == 0.3


@pytest.mark.parametrize(
    "setting", ["network.dropout", "network.drop=1", "network=1", "x.y=1", "network.dropout=much", "network.heads=odd"]
)
def test_invalid_setting_is_refused(setting: str) -> None:
    with pytest.raises(TrainingError, match="--set"):
        change(PAPER, [setting])


def changes_from(base: Recipe, recipe: Recipe) -> list[str]:
    """Settings that turn the first recipe into the second, in the format of `change`."""
    before = dict(leaves(asdict(base)))
    return [f"{name}={format_value(value)}" for name, value in leaves(asdict(recipe)) if value != before[name]]


def test_changes_between_recipes_reproduce_the_second() -> None:
    settings = ["features.overlap=0.2", "network.heads=split", "training.augmentation.speeds=1.0,0.9"]
    assert changes_from(PAPER, change(PAPER, settings)) == settings
    assert change(PAPER, changes_from(PAPER, STARTER)) == STARTER


def test_literal_recipe_differs_from_paper_as_documented() -> None:
    """The table of docs/paper.md is the whole difference, in both directions."""
    section = read_document("docs/paper.md").split("## Recipes", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([\w.]+)` \| `([^`]*)` \| `([^`]*)` \|", section, re.M)
    assert len(rows) >= 5
    assert sorted(changes_from(PAPER, LITERAL)) == sorted(f"{name}={literal}" for name, literal, _ in rows)
    assert sorted(changes_from(LITERAL, PAPER)) == sorted(f"{name}={paper}" for name, _, paper in rows)


@pytest.mark.parametrize("recipe", [PAPER, LITERAL])
def test_paper_and_literal_add_nothing_to_the_training_data(recipe: Recipe) -> None:
    assert recipe.features.mfcc.pre_emphasis == 0
    assert recipe.training.augmentation == AugmentationConfig(speeds=(1.0,), word_dropout=0.0)


def test_served_recipes_keep_pre_emphasis_and_word_dropout() -> None:
    for recipe in (STARTER, STARTER_MFCC):
        assert recipe.features.mfcc.pre_emphasis == 0.97
        assert recipe.features.padding == "none"
        assert recipe.training.augmentation.word_dropout == 0.3
        assert recipe.training.rounded_vectors
        assert recipe.training.normalise


@pytest.mark.parametrize(("name", "recipe"), [("starter", STARTER), ("starter-mfcc", STARTER_MFCC)])
def test_served_bundles_have_the_features_of_their_recipe(name: str, recipe: Recipe) -> None:
    stored = read_config(locate_bundle(name) / CONFIG)
    assert replace(stored.features, encoder_sha256="") == recipe.features
    assert replace(stored.network, embedding_dim=300, frame_size=40) == recipe.network
    assert stored.alpha == recipe.training.alpha


def test_unknown_recipe_is_refused() -> None:
    with pytest.raises(TrainingError, match="paper, literal, starter"):
        choose_recipe("best", [])
