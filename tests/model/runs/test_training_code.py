"""What determines a fold's figures is in the digest that says whether a finished fold still counts."""

import grimp

from model.runs.folds import _TRAINING_CODE

WITHOUT_INFLUENCE = (
    "model.atomic",
    "model.bundle_files",
    "model.corpora",
    "model.errors",
    "model.export",
    "model.extras",
)
"""Files, messages, and readers of corpora; the prepared corpus is part of a run's key."""


def test_every_module_behind_a_fold_is_hashed() -> None:
    graph = grimp.build_graph("model", "alignment", include_external_packages=False)
    behind = {
        module
        for start in ("model.training.experiment", "model.runs.summary")
        for module in {start, *graph.find_upstream_modules(start)}
        if module.startswith("model.")
    }
    hashed = tuple("model." + name.removesuffix(".py").replace("/", ".") for name in _TRAINING_CODE)
    missing = {
        module
        for module in behind
        if not any(module == name or module.startswith(f"{name}.") for name in hashed + WITHOUT_INFLUENCE)
    }
    assert not missing
    assert {"model.scores", "model.training.systems", "model.data.splits", "model.bundle"} <= behind
