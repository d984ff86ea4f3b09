"""report.json, report.md and report.html of a reproduction, from the files of its finished folds."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from model.errors import TrainingError
from model.report.comparison import PairedDifference, SystemResult, differences_to_can
from model.report.deviations import changed_settings, fixed_deviations
from model.report.html import render_html
from model.report.kinds import measure_kinds
from model.report.markdown import render_markdown
from model.report.plan import Plan, read_plan
from model.runs.folder import FoldResult, Run
from model.runs.predictions import PREDICTIONS

METRICS: Final = ("wa", "ua", "macro_f1", "weighted_precision", "macro_precision")


def write_report(out: Path) -> None:
    """Write the three files, and predictions.csv of every finished fold that has none.

    Args:
        out: Output folder of a reproduction, finished or not.

    Raises:
        TrainingError: The folder has no plan, or no finished fold.
    """
    plan = read_plan(out)
    systems = [system for name in plan.systems if (system := _collect(out, name, plan)).folds]
    if not systems:
        raise TrainingError(f"{out} has no finished fold; run `{plan.command}` again")
    for system in systems:
        _complete_predictions(system, plan)
    record = _describe(plan, systems)
    (out / "report.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    markdown = "\n".join(render_markdown(plan, systems, record))
    (out / "report.md").write_text(markdown, encoding="utf-8")
    curves = {system.title: _curve(system) for system in systems}
    (out / "report.html").write_text(render_html(markdown, curves), encoding="utf-8")


def _collect(out: Path, name: str, plan: Plan) -> SystemResult:
    run = Run(out / name)
    return SystemResult(name, tuple(own for split in plan.splits if (own := run.result(split))), run.path)


def _complete_predictions(system: SystemResult, plan: Plan) -> None:
    run = Run(system.run)
    for split in plan.splits:
        if split.name in system.finished and not (run.folder(split) / PREDICTIONS).is_file():
            run.store_predictions(split, run.experiment().training.alpha)


def _describe(plan: Plan, systems: Sequence[SystemResult]) -> dict[str, Any]:
    """Content of report.json."""
    differences = {system.name: differences_to_can(system, systems, plan.splits) for system in systems}
    return {
        "command": plan.command,
        "options": plan.options,
        "corpus": plan.corpus,
        "rows": {system.name: {metric: system.metric(metric) for metric in METRICS} for system in systems},
        "difference_to_can": {
            name: {metric: _to_json(difference) for metric, difference in by_metric.items()}
            for name, by_metric in differences.items()
            if by_metric
        },
        "by_kind": {system.name: measure_kinds(system, plan.splits, plan.kinds) for system in systems},
        "deviations": {"settings": changed_settings(systems), "fixed": fixed_deviations(plan, systems)},
        "environments": _distinct([fold.environment for system in systems for fold in system.folds]),
        "folds": {system.name: [_without_experiment(fold) for fold in system.folds] for system in systems},
        "experiments": {system.name: asdict(system.folds[0].experiment) for system in systems},
    }


def _distinct(environments: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    distinct: list[dict[str, Any]] = []
    for environment in environments:
        if environment and environment not in distinct:
            distinct.append(environment)
    return distinct


def _to_json(difference: PairedDifference) -> dict[str, float | None]:
    """Fields of a difference, with null for NaN, which JSON does not have."""
    return {name: value if np.isfinite(value) else None for name, value in asdict(difference).items()}


def _without_experiment(fold: FoldResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(fold).items() if name not in ("experiment", "environment")}


def _curve(system: SystemResult) -> list[float]:
    """Mean validation WA by epoch, over the folds that reached the epoch."""
    longest = max(len(fold.history) for fold in system.folds)
    return [
        float(np.mean([fold.history[epoch].validation_wa for fold in system.folds if epoch < len(fold.history)]))
        for epoch in range(longest)
    ]
