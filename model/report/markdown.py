"""report.md: the tables of a reproduction or another study."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from model.data.protocols import LONG_TEXT_WORDS, describe_folds
from model.report.confusion import sum_confusions
from model.report.plan import Plan
from model.report.results import FinishedFold, SystemResult
from model.report.word_errors import word_errors_to_markdown
from model.runs.environment import describe_in_words
from model.training.metrics import calibration_error, fit_temperature
from model.training.systems import SYSTEMS, PaperMetrics

METRICS: Final = {
    "wa": "WA",
    "ua": "UA",
    "macro_f1": "macro F1",
    "weighted_precision": "weighted precision",
    "macro_precision": "macro precision",
}


def render_markdown(plan: Plan, systems: Sequence[SystemResult], record: Mapping[str, Any]) -> Iterator[str]:
    """Lines of the report without the confusion matrices.

    Args:
        plan: Rows, folds and corpus.
        systems: Results of the rows.
        record: Content of report.json.
    """
    yield f"# {plan.title}\n"
    yield from _introduction(plan, systems, record)
    for caption, keys in plan.tables.items():
        yield from _table(caption, [system for system in systems if system.name in keys], plan, record)
    yield from _spread_table(systems, record["spread"])
    yield from _alpha_tables(systems, record["alpha_sweep"])
    yield from word_errors_to_markdown(record["word_errors"], {system.name: system.title for system in systems})
    yield "## Recall of each class, and calibration\n"
    labels = systems[0].experiment.labels
    yield (
        f"| system | {' | '.join(labels)} | calibration error | after temperature scaling "
        "| parameters without word vectors | best epochs | seconds per fold |"
    )
    yield "|---" * (len(labels) + 6) + "|"
    for system in systems:
        yield _details(system)
    yield from _kinds(systems, record["by_kind"])


def _introduction(plan: Plan, systems: Sequence[SystemResult], record: Mapping[str, Any]) -> Iterator[str]:
    corpus, options = plan.corpus, plan.options
    yield (
        f"{corpus['kept']} utterances of {corpus['labelled']} labelled; {len(plan.splits)} folds "
        f"{describe_folds(plan.splits)}; classes {options['classes']}, subset {options['subset']}; "
        f"word vectors: {systems[0].experiment.vectors}. Command: `{plan.command}`.\n"
    )
    yield from _overlap(record["overlap"])
    deviations = record["deviations"]
    yield f"Settings that differ from the literal recipe: {', '.join(deviations['settings']) or 'none'}.\n"
    yield f"Other deviations from the paper: {'; '.join(deviations['fixed'])}.\n"
    yield from _unfinished(plan, systems)
    yield from (f"Environment: {describe_in_words(environment)}.\n" for environment in record["environments"])
    if any(SYSTEMS[system.name].paper for system in systems if system.name in SYSTEMS):
        yield (
            "The published metrics are of IEMOCAP, ten random folds, seven classes; they are comparable only under the "
            "same conditions.\n"
        )
    yield (
        f"Mean ± population standard deviation over folds. Δ is the difference to `{plan.reference}` on the same folds "
        "with its 95 % interval and two-sided p (corrected resampled t-test, Nadeau and Bengio 2003); p Holm is "
        "corrected for the number of rows (Holm 1979), the interval is not.\n"
    )


def _overlap(overlap: Mapping[str, int]) -> Iterator[str]:
    tested = overlap["tested"]

    def share(name: str) -> str:
        return f"{overlap[name]} ({100 * overlap[name] / max(1, tested):.0f} %)"

    yield (
        f"Of {tested} test utterances, the training part of their fold contains the speaker of {share('speaker')}, the "
        f"session of {share('session')}, the dialogue of {share('dialog')}, and the same text as {share('text')}, "
        f"{overlap['long_text']} of these with at least {LONG_TEXT_WORDS} words.\n"
    )


def _unfinished(plan: Plan, systems: Sequence[SystemResult]) -> Iterator[str]:
    planned = len(plan.splits) * len({run.seed for run in plan.runs})
    finished = {system.name: len(system.folds) for system in systems}
    rest = [
        f"{row.key} ({count} of {planned} folds)" if (count := finished.get(row.key, 0)) else f"{row.key} (none)"
        for row in plan.rows
        if finished.get(row.key, 0) < planned
    ]
    if rest:
        yield f"**Not finished**: {', '.join(rest)}.\n"


def _table(caption: str, members: Sequence[SystemResult], plan: Plan, record: Mapping[str, Any]) -> Iterator[str]:
    if not members:
        return
    papers = {system.name: SYSTEMS[system.name].paper for system in members if system.name in SYSTEMS}
    published = ["paper WA", "paper UA"] if any(papers.values()) else []
    header = ["system", *published, *METRICS.values(), *(f"Δ {name} to {plan.reference}" for name in ("WA", "UA"))]
    yield f"## {caption}\n"
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    for system in members:
        own = [_published(papers.get(system.name), metric) for metric in ("wa", "ua")] if published else []
        metrics = [_spread(system.metric(metric)) for metric in METRICS]
        yield f"| {' | '.join([system.title, *own, *metrics, *_differences(system.name, plan.reference, record)])} |"
    yield ""


def _differences(name: str, reference: str, record: Mapping[str, Any]) -> list[str]:
    if reference not in record["rows"]:
        return [f"`{reference}` not trained"] * 2
    difference = record[f"difference_to_{reference}"].get(name)
    return ["", ""] if difference is None else [_format_difference(difference[metric]) for metric in ("wa", "ua")]


def _format_difference(difference: Mapping[str, float | None]) -> str:
    mean = difference["mean"]
    if difference["p"] is None:
        return f"{mean:+.3f} (one fold, or the same difference in all)"
    return (
        f"{mean:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}] p {difference['p']:.2g}, "
        f"p Holm {difference['p_holm']:.2g}"
    )


def _spread_table(systems: Sequence[SystemResult], spread: Mapping[str, Any]) -> Iterator[str]:
    several = [system for system in systems if spread[system.name]["wa"]["between_seeds"] is not None]
    if not several:
        return
    yield "## Standard deviation between folds and between seeds\n"
    yield "Between folds: of the means over seeds. Between seeds: root of the mean variance within a fold.\n"
    yield "| system | seeds | WA, folds | WA, seeds | UA, folds | UA, seeds |"
    yield "|---" * 6 + "|"
    for system in several:
        seeds = ", ".join(map(str, dict.fromkeys(fold.planned.seed for fold in system.folds)))
        cells = [
            "" if (value := spread[system.name][metric][name]) is None else f"{value:.3f}"
            for metric in ("wa", "ua")
            for name in ("between_folds", "between_seeds")
        ]
        yield f"| {system.title} | {seeds} | {' | '.join(cells)} |"
    yield ""


def _alpha_tables(systems: Sequence[SystemResult], sweep: Mapping[str, Any]) -> Iterator[str]:
    if not sweep:
        return
    yield "## α chosen by validation in every fold\n"
    yield "The rows above use the chosen networks; test WA of single values is for comparison only.\n"
    yield "| system | α | chosen in folds | validation WA | test WA |"
    yield "|---" * 5 + "|"
    titles = {system.name: system.title for system in systems}
    for name, own in sweep.items():
        for alpha, figures in own["by_alpha"].items():
            metrics = f"{_spread(figures['validation_wa'])} | {_spread(figures['test_wa'])}"
            yield f"| {titles[name]} | {alpha} | {figures['chosen']} | {metrics} |"
    yield ""


def _details(system: SystemResult) -> str:
    confusion = sum_confusions(system)
    after = [error for fold in system.folds if (error := _error_after_scaling(fold)) is not None]
    cells = [
        system.title,
        *(f"{value:.3f}" for value in np.diag(confusion.shares)),
        f"{np.mean(system.metric('calibration_error')):.3f}",
        f"{np.mean(after):.3f}" if after else "",
        f"{system.folds[0].result.parameters:,}",
        ", ".join(str(fold.result.best_epoch) for fold in system.folds),
        f"{np.mean([fold.result.seconds for fold in system.folds]):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _error_after_scaling(fold: FinishedFold) -> float | None:
    """Calibration error of the test part at a temperature fitted on the validation part; None without one."""
    if not len(fold.split.validation):
        return None
    labels = fold.run.labels()
    fitted_on, validation = fold.logits("validation")
    temperature = fit_temperature(validation.final(fold.alpha), labels[fitted_on])
    tested, test = fold.logits("test")
    return calibration_error(test.final(fold.alpha) / temperature, labels[tested])


def _kinds(systems: Sequence[SystemResult], by_kind: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    kinds = list(dict.fromkeys(kind for table in by_kind.values() for kind in table))
    if not kinds:
        return
    yield "\n## WA by the modality that carries the label, over all folds together\n"
    yield f"| system | {' | '.join(kinds)} |"
    yield "|---" * (len(kinds) + 1) + "|"
    for system in systems:
        table = by_kind[system.name]
        cells = [f"{table[kind]['wa']:.3f} ({table[kind]['count']})" if kind in table else "" for kind in kinds]
        yield f"| {system.title} | {' | '.join(cells)} |"
    yield ""


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}" if len(values) > 1 else f"{np.mean(values):.3f}"


def _published(paper: PaperMetrics | None, metric: str) -> str:
    return f"{getattr(paper, metric):.3f} ± {getattr(paper, f'{metric}_deviation'):.3f}" if paper else ""
