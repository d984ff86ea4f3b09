from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from model.data.splits import Split
from model.report import results
from model.report.plan import Plan
from model.report.results import FinishedFold
from model.report.rows import Row

NOTHING = np.zeros(0, np.int64)
SPLITS = [Split(name, NOTHING, NOTHING, NOTHING) for name in "abc"]


@dataclass(frozen=True)
class _Fold:
    split: Split


def test_folds_are_in_the_order_of_the_plan_where_a_seed_lacks_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folds of two rows are compared in pairs, by their position."""

    def find(out: Any, runs: Any, split: Split) -> list[Any]:
        [run] = runs
        missing = run.seed == 0 and split.name == "b"
        return [] if missing else [_Fold(split)]

    monkeypatch.setattr(results, "_finished", find)
    monkeypatch.setattr(FinishedFold, "validation", lambda fold: (0.0, 0.0))
    runs = [SimpleNamespace(row="can", seed=seed) for seed in (0, 1)]
    plan = cast("Plan", SimpleNamespace(runs=runs, splits=SPLITS))
    found = results._collect_row(cast("Any", None), plan, cast("Row", SimpleNamespace(key="can")))
    assert found.finished == ("a", "b", "c")
    assert [fold.split.name for fold in found.folds] == ["a", "a", "b", "c", "c"]
