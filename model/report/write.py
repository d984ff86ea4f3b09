"""report.json, report.md and report.html of a reproduction or another study, from the files of its finished folds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from model.errors import TrainingError
from model.report.alphas import describe_alphas
from model.report.comparison import COMPARED, differences_to_reference, measure_spread
from model.report.confusion import confusion_to_markdown, sum_confusions
from model.report.deviations import changed_settings, fixed_deviations
from model.report.html import Curve, render_html
from model.report.kinds import measure_kinds
from model.report.markdown import METRICS, render_markdown
from model.report.plan import Plan, read_plan
from model.report.results import FinishedFold, SystemResult, collect_results
from model.report.word_errors import measure_by_word_errors
from model.runs.predictions import PREDICTIONS

REPORTS: Final = ("report.md", "report.html", "report.json")


def write_report(out: Path, reference: str | None = None) -> None:
    """Write the three files, and predictions.csv of every finished fold that has none.

    Args:
        out: Output folder of a reproduction or another study, finished or not.
        reference: Row that the others are compared with; None for that of the study.

    Raises:
        TrainingError: The folder has no plan, no finished fold, or no such row.
    """
    plan = _read_plan(out, reference)
    systems = collect_results(out, plan)
    if not systems:
        raise TrainingError(f"{out} has no finished fold; run `{plan.command}` again")
    for fold in (fold for system in systems for fold in (*system.folds, *system.rejected)):
        if not (fold.run.folder(fold.split) / PREDICTIONS).is_file():
            fold.run.store_predictions(fold.split, fold.alpha)
    record = _describe(plan, systems) | {"word_errors": measure_by_word_errors(out, systems, plan.reference)}
    (out / "report.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    markdown = "\n".join(render_markdown(plan, systems, record))
    confusions = [sum_confusions(system) for system in systems]
    tables = "\n".join(line for confusion in confusions for line in confusion_to_markdown(confusion))
    (out / "report.md").write_text(f"{markdown}\n## Confusion matrices over all folds\n\n{tables}", encoding="utf-8")
    curves = [_average_curves(system) for system in systems]
    (out / "report.html").write_text(render_html(plan.title, markdown, curves, confusions), encoding="utf-8")


def _read_plan(out: Path, reference: str | None) -> Plan:
    plan = read_plan(out)
    if reference is None:
        return plan
    known = {row.key: None for row in plan.rows}
    if reference not in known:
        raise TrainingError(f"--reference {reference!r}: choose from {', '.join(known)}")
    return replace(plan, reference=reference)


def _describe(plan: Plan, systems: Sequence[SystemResult]) -> dict[str, Any]:
    """Content of report.json."""
    differences = differences_to_reference(systems, plan.splits, plan.reference)
    return {
        "command": plan.command,
        "options": plan.options,
        "corpus": plan.corpus,
        "overlap": plan.overlap(),
        "rows": {system.name: {metric: system.metric(metric) for metric in METRICS} for system in systems},
        "spread": {system.name: _spread(system) for system in systems},
        f"difference_to_{plan.reference}": {
            name: {metric: _to_json(asdict(difference)) for metric, difference in by_metric.items()}
            for name, by_metric in differences.items()
        },
        "alpha_sweep": {system.name: own for system in systems if (own := describe_alphas(system))},
        "by_kind": {system.name: measure_kinds(system, plan.kinds) for system in systems},
        "deviations": {"settings": changed_settings(plan, systems), "fixed": fixed_deviations(plan, systems)},
        "environments": _distinct([fold.result.environment for system in systems for fold in system.folds]),
        "folds": {system.name: [_describe_fold(fold) for fold in system.folds] for system in systems},
        "experiments": {system.name: asdict(system.experiment) for system in systems},
    }


def _spread(system: SystemResult) -> dict[str, dict[str, float | None]]:
    return {metric: _to_json(measure_spread(system.by_seed(metric))) for metric in COMPARED}


def _distinct(environments: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    distinct: list[dict[str, Any]] = []
    for environment in environments:
        if environment and environment not in distinct:
            distinct.append(environment)
    return distinct


def _to_json(values: Mapping[str, float]) -> dict[str, float | None]:
    """The same values with null for NaN, which JSON does not have."""
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def _describe_fold(fold: FinishedFold) -> dict[str, Any]:
    stored = {name: value for name, value in asdict(fold.result).items() if name not in ("experiment", "environment")}
    folder = f"{fold.planned.folder}/{fold.split.name}"
    return stored | {"seed": fold.planned.seed, "alpha": fold.alpha, "folder": folder}


def _average_curves(system: SystemResult) -> Curve:
    """Mean validation WA by epoch over the trainings that reached the epoch, and their number."""
    histories = [fold.result.history for fold in system.folds]
    longest = max(map(len, histories))
    reached = [[own[epoch].validation_wa for own in histories if epoch < len(own)] for epoch in range(longest)]
    return Curve(system.title, [float(np.mean(values)) for values in reached], [len(values) for values in reached])
