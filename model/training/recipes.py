"""Ready-made settings, and single changes to them by name."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from alignment.features.extraction import FeatureSpec
from model.config import AugmentationConfig, NetworkConfig, TrainingConfig
from model.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every scientific choice of a training.

    Attributes:
        features: how features are computed.
        network: shape.
        training: how it is trained.
    """

    features: FeatureSpec
    network: NetworkConfig
    training: TrainingConfig


PAPER: Final = Recipe(FeatureSpec(), NetworkConfig(), TrainingConfig())
"""Section 4.2, and the plainest choice wherever the paper is silent."""

STARTER: Final = Recipe(
    FeatureSpec(),
    NetworkConfig(dropout=0.5),
    TrainingConfig(
        alpha=1.0,
        learning_rate=1.5e-3,
        embedding_rate=0.0,
        weight_decay=0.01,
        label_smoothing=0.1,
        averaging=0.998,
        patience=0,
        max_epochs=5,
        augmentation=AugmentationConfig(
            speeds=(1.0, 0.85, 0.92, 1.08, 1.15),
            gain_db=2.0,
            colour=0.2,
            coefficient_dropout=0.1,
            word_dropout=0.3,
        ),
    ),
)
"""For a small corpus of few voices: strong augmentation, word vectors as given, each modality trained as hard as both.

The rate stays constant, and the average of the weights over the last epochs is kept: on voices that were not heard such
averages do better than any one of the weights (Cha et al. 2021, "SWAD: Domain Generalization by Seeking Flat Minima").
"""

_DERIVED: Final = "network.n_mfcc"

RECIPES: Final = {"paper": PAPER, "starter": STARTER}


def choose_recipe(name: str, settings: Sequence[str]) -> Recipe:
    """A ready-made recipe, with changes.

    Raises:
        TrainingError: there is no such recipe or setting.
    """
    if name not in RECIPES:
        raise TrainingError(f"--recipe {name!r}: choose one of {', '.join(RECIPES)}")
    return change(RECIPES[name], settings)


def change(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with single values replaced.

    Args:
        recipe: to start from; not changed.
        settings: e.g. "network.dropout=0.2", "training.augmentation.speeds=1.0,0.9".

    Raises:
        TrainingError: a name or a value does not exist.
    """
    values = asdict(recipe)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if name == _DERIVED:
            raise TrainingError(f"--set {setting!r}: it follows features.mfcc.n_mfcc; set that one")
        *groups, last = name.split(".")
        group: Any = values
        for part in groups:
            group = group.get(part) if isinstance(group, dict) else None
        if not equals or not isinstance(group, dict) or last not in group or isinstance(group[last], dict):
            there = ", ".join(name for name, _ in leaves(asdict(recipe)) if name != _DERIVED)
            raise TrainingError(f"--set {setting!r} names no setting; those there are: {there}")
        group[last] = tuple(value.split(",")) if isinstance(group[last], tuple) else value
    try:
        return TypeAdapter(Recipe).validate_python(values)
    except ValidationError as exc:
        [first, *_] = exc.errors()
        raise TrainingError(
            f"--set {'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}"
        ) from exc


def changes_from(base: Recipe, recipe: Recipe) -> list[str]:
    """What `change` would have to be given to get from one recipe to the other."""
    there = dict(leaves(asdict(base)))
    return [f"{name}={_written(value)}" for name, value in leaves(asdict(recipe)) if value != there[name]]


def _written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value of nested settings, by its dotted name."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
