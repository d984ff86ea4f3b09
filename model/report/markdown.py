"""report.md of a reproduction: the paper's tables with the reproduced metrics."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.data.splits import Split
from model.report.comparison import REFERENCE, PairedDifference, SystemResult, differences_to_can
from model.report.plan import Plan
from model.runs.environment import describe_in_words
from model.runs.folder import Run
from model.runs.summary import calibration_after
from model.training.systems import SYSTEMS, PaperMetrics

_CAPTIONS: Final = {2: "Table 2: comparison of systems", 3: "Table 3: segmentation", 4: "Table 4: ablation"}


def render_markdown(plan: Plan, systems: Sequence[SystemResult], record: Mapping[str, Any]) -> Iterator[str]:
    """Lines of the report.

    Args:
        plan: Systems, folds and corpus.
        systems: Results of the systems.
        record: Content of report.json.
    """
    splits = plan.splits
    yield from _introduction(plan, systems, record)
    for number, caption in _CAPTIONS.items():
        members = [system for system in systems if number in SYSTEMS[system.name].tables]
        yield from _table(caption, members, systems, splits)
    extras = [system for system in systems if not SYSTEMS[system.name].tables]
    yield from _table("Additional systems", extras, systems, splits)
    yield "## Recall of each class, and calibration\n"
    labels = systems[0].folds[0].experiment.labels
    yield (
        f"| system | {' | '.join(labels)} | calibration error | after temperature scaling "
        "| parameters without word vectors | best epochs | seconds per fold |"
    )
    yield "|---" * (len(labels) + 6) + "|"
    for system in systems:
        yield _details(system, splits)
    yield from _kinds(record["by_kind"])
    yield "\n## Confusion matrices over all folds (rows: true class)\n"
    for system in systems:
        yield from _confusion(system, labels)


def _introduction(plan: Plan, systems: Sequence[SystemResult], record: Mapping[str, Any]) -> Iterator[str]:
    corpus, options = plan.corpus, plan.options
    yield "# Reproduction of the paper's tables\n"
    protocol = "by session, no speaker in two parts" if options["by_session"] else "at random, speakers are shared"
    yield (
        f"{corpus['kept']} utterances of {corpus['labelled']} labelled; {len(plan.splits)} folds {protocol}; "
        f"classes {options['classes']}, subset {options['subset']}; "
        f"word vectors: {systems[0].folds[0].experiment.vectors}. Command: `{plan.command}`.\n"
    )
    deviations = record["deviations"]
    yield f"Settings that differ from the literal recipe: {', '.join(deviations['settings']) or 'none'}.\n"
    yield f"Other deviations from the paper: {'; '.join(deviations['fixed'])}.\n"
    yield from _unfinished(plan, systems)
    yield from (f"Environment: {describe_in_words(environment)}.\n" for environment in record["environments"])
    yield (
        "The published metrics are of IEMOCAP, ten random folds, seven classes; they are comparable only under the "
        "same conditions. Mean ± population standard deviation over folds. Δ is the difference to CAN on the same "
        "folds with its 95 % interval and two-sided p (corrected resampled t-test, Nadeau and Bengio 2003), not "
        "corrected for the number of systems.\n"
    )


def _unfinished(plan: Plan, systems: Sequence[SystemResult]) -> Iterator[str]:
    planned = len(plan.splits)
    rest = [f"{system.name} ({len(system.folds)} of {planned} folds)" for system in systems]
    rest = [line for system, line in zip(systems, rest, strict=True) if len(system.folds) < planned]
    rest += [f"{name} (none)" for name in plan.systems if name not in {system.name for system in systems}]
    if rest:
        yield f"**Not finished**: {', '.join(rest)}.\n"


def _table(
    caption: str, members: Sequence[SystemResult], systems: Sequence[SystemResult], splits: Sequence[Split]
) -> Iterator[str]:
    if not members:
        return
    yield f"## {caption}\n"
    yield (
        "| system | paper WA | WA | paper UA | UA | macro F1 | weighted precision | macro precision | Δ WA to CAN "
        "| Δ UA to CAN |"
    )
    yield "|---" * 10 + "|"
    for system in members:
        paper = SYSTEMS[system.name].paper
        yield (
            f"| {system.title} | {_published(paper, 'wa')} | {_spread(system.metric('wa'))} "
            f"| {_published(paper, 'ua')} | {_spread(system.metric('ua'))} "
            f"| {_spread(system.metric('macro_f1'))} | {_spread(system.metric('weighted_precision'))} "
            f"| {_spread(system.metric('macro_precision'))} "
            f"| {_difference_cells(system, systems, splits)} |"
        )
    yield ""


def _difference_cells(system: SystemResult, systems: Sequence[SystemResult], splits: Sequence[Split]) -> str:
    if not any(other.name == REFERENCE for other in systems):
        return "`can` not trained | `can` not trained"
    return " | ".join(map(_format_difference, differences_to_can(system, systems, splits).values())) or " | "


def _format_difference(difference: PairedDifference) -> str:
    if not np.isfinite(difference.low):
        return f"{difference.mean:+.3f} (one fold)"
    return f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}] p {difference.p:.2g}"


def _details(system: SystemResult, splits: Sequence[Split]) -> str:
    confusion = _total_confusion(system)
    recall = np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1)
    run = Run(system.run)
    finished = [split for split in splits if split.name in system.finished]
    after = calibration_after(run, finished, run.labels(), run.experiment().training.alpha)
    cells = [
        system.title,
        *(f"{value:.3f}" for value in recall),
        f"{np.mean(system.metric('calibration_error')):.3f}",
        f"{np.mean(after):.3f}" if after else "",
        f"{system.folds[0].parameters:,}",
        ", ".join(str(fold.best_epoch) for fold in system.folds),
        f"{np.mean([fold.seconds for fold in system.folds]):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _kinds(by_kind: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    kinds = list(dict.fromkeys(kind for table in by_kind.values() for kind in table))
    if not kinds:
        return
    yield "\n## WA by the modality that carries the label, over all folds together\n"
    yield f"| system | {' | '.join(kinds)} |"
    yield "|---" * (len(kinds) + 1) + "|"
    for name, table in by_kind.items():
        cells = [f"{table[kind]['wa']:.3f} ({table[kind]['count']})" if kind in table else "" for kind in kinds]
        yield f"| {SYSTEMS[name].title} | {' | '.join(cells)} |"


def _confusion(system: SystemResult, labels: Sequence[str]) -> Iterator[str]:
    yield f"### {system.title}\n"
    yield f"| | {' | '.join(labels)} |"
    yield "|---" * (len(labels) + 1) + "|"
    for label, counts in zip(labels, _total_confusion(system).tolist(), strict=True):
        yield f"| {label} | {' | '.join(map(str, counts))} |"
    yield ""


def _total_confusion(system: SystemResult) -> NDArray[np.int64]:
    total: NDArray[np.int64] = np.sum([fold.metrics["final"].confusion for fold in system.folds], axis=0)
    return total


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}" if len(values) > 1 else f"{np.mean(values):.3f}"


def _published(paper: PaperMetrics | None, metric: str) -> str:
    return f"{getattr(paper, metric):.3f} ± {getattr(paper, f'{metric}_deviation'):.3f}" if paper else ""
