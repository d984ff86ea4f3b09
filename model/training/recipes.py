"""Predefined recipes, and changes of single settings by name."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from alignment.features.extraction import FeatureSpec
from alignment.features.mfcc import MfccConfig
from model.config import AugmentationConfig, NetworkConfig, TrainingConfig
from model.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Recipe:
    """All scientific settings of a training.

    Attributes:
        features: Feature extraction.
        network: Shape of the network.
        training: Training configuration.
    """

    features: FeatureSpec
    network: NetworkConfig
    training: TrainingConfig


PAPER: Final = Recipe(FeatureSpec(), NetworkConfig(), TrainingConfig())
"""Section 4.2, with normalised frames and means over real frames; the default of all commands."""

LITERAL: Final = Recipe(
    FeatureSpec(padding="utterance"),
    NetworkConfig(segment_dropout="frames"),
    TrainingConfig(normalise=False, rounded_vectors=False, max_epochs=1_000),
)
"""Nothing that the paper does not state: zero-padded segments averaged with their padding, dropout on the output of
every BLSTM, MFCCs as they are, no rounding, and patience as the only end of training."""

_LEVEL_DB: Final = -26.0
_PRE_EMPHASISED: Final = MfccConfig(pre_emphasis=0.97)
_BALANCE: Final = ("composite=2", "clip=3", "foreign=1")

STARTER: Final = Recipe(
    FeatureSpec(front_end="both", level_db=_LEVEL_DB, mfcc=_PRE_EMPHASISED),
    NetworkConfig(hidden=32, dropout=0.5, segment_pooling="statistics", input_dropout=0.2, input_noise=0.3, members=4),
    TrainingConfig(
        alpha=0.3,
        learning_rate=2e-3,
        embedding_rate=0.0,
        weight_decay=0.1,
        schedule="cosine",
        label_smoothing=0.05,
        mixup=0.4,
        balance=_BALANCE,
        patience=0,
        max_epochs=4,
        augmentation=AugmentationConfig(word_dropout=0.3),
    ),
)
"""For the corpus of `model.corpora.composite`: few speakers, many distorted copies, encoder states beside MFCCs.

Even draws over emotions and corpora, mixup, noise and a strong decay keep the network from learning the speakers
(docs/experiments.md).
"""

STARTER_MFCC: Final = Recipe(
    FeatureSpec(level_db=_LEVEL_DB, mfcc=_PRE_EMPHASISED),
    NetworkConfig(hidden=64, dropout=0.5),
    TrainingConfig(
        alpha=0.3,
        learning_rate=2e-3,
        embedding_rate=0.0,
        weight_decay=0.01,
        label_smoothing=0.1,
        averaging=0.998,
        balance=_BALANCE,
        patience=0,
        max_epochs=2,
        augmentation=AugmentationConfig(colour=0.2, coefficient_dropout=0.1, word_dropout=0.3),
    ),
)
"""The same corpus with the paper's front end, for which no encoder runs.

The learning rate is constant, and the average of the weights over the last epochs is kept: on unseen speakers such
averages outperform single weights (Cha et al. 2021, "SWAD: Domain Generalization by Seeking Flat Minima").
"""

DERIVED: Final = ("network.frame_size", "features.encoder_sha256")

RECIPES: Final = {"paper": PAPER, "literal": LITERAL, "starter": STARTER, "starter-mfcc": STARTER_MFCC}


def choose_recipe(name: str, settings: Sequence[str]) -> Recipe:
    """Predefined recipe with changed settings.

    Raises:
        TrainingError: The recipe or a setting does not exist, or a value is invalid.
    """
    if name not in RECIPES:
        raise TrainingError(f"--recipe {name!r}: choose one of {', '.join(RECIPES)}")
    return change(RECIPES[name], settings)


def change(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Copy of a recipe with single settings replaced.

    Args:
        recipe: Original recipe.
        settings: For example "network.dropout=0.2" or "training.augmentation.speeds=1.0,0.9".

    Raises:
        TrainingError: A setting does not exist, or a value is invalid.
    """
    values = asdict(recipe)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if name in DERIVED:
            raise TrainingError(f"--set {setting!r}: this setting follows from features.front_end; set that instead")
        *groups, last = name.split(".")
        group: Any = values
        for part in groups:
            group = group.get(part) if isinstance(group, dict) else None
        if not equals or not isinstance(group, dict) or last not in group or isinstance(group[last], dict):
            names = ", ".join(name for name, _ in leaves(asdict(recipe)) if name not in DERIVED)
            raise TrainingError(f"--set {setting!r} does not name a setting; choose one of {names}")
        group[last] = _parse_value(value, group[last])
    try:
        return TypeAdapter(Recipe).validate_python(values)
    except ValidationError as exc:
        [first, *_] = exc.errors()
        raise TrainingError(
            f"--set {'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}"
        ) from exc


def _parse_value(value: str, before: Any) -> Any:
    if isinstance(before, tuple):
        return tuple(part for part in value.split(",") if part)
    return None if value == "none" and not isinstance(before, str) else value


def format_value(value: Any) -> str:
    """A value of a setting in the format of `change`."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Single values of nested settings with their dotted names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
