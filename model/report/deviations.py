"""Deviations of a run from the paper: changed settings, and choices of this implementation that no setting changes."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Final

from model.report.plan import Plan
from model.report.results import SystemResult
from model.training.recipes import DERIVED, LITERAL, change, format_value, leaves
from model.training.systems import SYSTEMS

_FIXED: Final = (
    "MFCC frames are not centred: up to 10 ms at the end of a segment are in no frame",
    "sequences of words are packed: the backward LSTM starts at the last word, not in the padding of the batch",
)
_PAPER_FOLDS: Final = 10
_PAPER_CLASSES: Final = 7
_WITHOUT_ALIGN_LOSS: Final = {"can-no-align-loss", "can-no-stop-gradient-no-align-loss", "can-no-cross-attention"}


def changed_settings(plan: Plan, systems: Sequence[SystemResult]) -> list[str]:
    """Settings that differ from the literal recipe, each with the literal value, over all rows.

    A setting that a row changes by definition, such as the segmentation of "Equal segmentation", is not among them, nor
    is a seed or an α of several.
    """
    changed = dict.fromkeys(line for system in systems for line in _changes(plan, system))
    return list(changed)


def _changes(plan: Plan, system: SystemResult) -> Iterator[str]:
    experiment, row = system.experiment, system.row
    literal = dict(leaves(asdict(change(LITERAL, (*SYSTEMS[row.system].settings, *row.settings)))))
    ignored = {*DERIVED} | ({"training.seed"} if _has_seeds(plan) else set())
    ignored |= {"training.alpha"} if any(run.alpha is not None for run in plan.runs if run.row == row.key) else set()
    recipe = replace(experiment.recipe, features=replace(experiment.features, encoder_sha256=""))
    for name, value in leaves(asdict(recipe)):
        if name not in ignored and value != literal[name]:
            yield f"`{name}={format_value(value)}` (literal: {format_value(literal[name])})"


def _has_seeds(plan: Plan) -> bool:
    return len({run.seed for run in plan.runs}) > 1


def fixed_deviations(plan: Plan, systems: Sequence[SystemResult]) -> list[str]:
    """Deviations of this implementation and of the protocol that concern the trained systems."""
    return [*_FIXED, *_protocol_deviations(plan), *_system_deviations({system.row.system for system in systems})]


def _protocol_deviations(plan: Plan) -> Iterator[str]:
    if not plan.corpus.get("is_iemocap"):
        yield "the corpus is not IEMOCAP, or not all of it"
    if (classes := plan.options["classes"]) != _PAPER_CLASSES:
        yield f"{classes} classes instead of {_PAPER_CLASSES}"
    if (subset := plan.options["subset"]) != "all":
        yield f"{subset} dialogues only"
    if count := plan.corpus["without_words"]:
        yield f"{count} utterances without words are kept, each as one unknown word"
    if all(split.name.startswith("fold-") for split in plan.splits):
        yield "the random folds are stratified by label"
    else:
        yield "the folds are not random"
    if len(plan.splits) != _PAPER_FOLDS:
        yield f"{len(plan.splits)} folds instead of {_PAPER_FOLDS}"
    if not _has_seeds(plan):
        yield "one random seed for all folds and systems"


def _system_deviations(systems: set[str]) -> Iterator[str]:
    if systems & _WITHOUT_ALIGN_LOSS:
        yield "without L_align, the unimodal heads are also left out of Eq. (15), because they are not trained"
    if any(system.startswith("yoon") for system in systems):
        yield "Yoon et al. without the prosody vector of their paper"
