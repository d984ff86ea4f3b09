"""α chosen by validation in every fold, as the paper's Section 3.3 states it."""

from collections.abc import Sequence
from typing import Any

from model.report.results import FinishedFold, SystemResult


def describe_alphas(system: SystemResult) -> dict[str, Any]:
    """Chosen α of each fold and seed, and validation and test WA of every α; empty without several values."""
    if not system.rejected:
        return {}
    tried = sorted((*system.folds, *system.rejected), key=lambda fold: fold.alpha)
    values = list(dict.fromkeys(fold.alpha for fold in tried))
    return {
        "chosen": [{"fold": f.split.name, "seed": f.planned.seed, "alpha": f.alpha} for f in system.folds],
        "by_alpha": {
            f"{value:g}": {
                "chosen": sum(fold.alpha == value for fold in system.folds),
                "validation_wa": [fold.validation()[0] for fold in _of(tried, value)],
                "test_wa": [fold.result.metrics["final"].wa for fold in _of(tried, value)],
            }
            for value in values
        },
    }


def _of(folds: Sequence[FinishedFold], alpha: float) -> list[FinishedFold]:
    return [fold for fold in folds if fold.alpha == alpha]
