"""Workflow of `python -m model.reproduce`: all systems under one protocol, then the report."""

from collections.abc import Sequence
from typing import Final

from model.errors import TrainingError
from model.report.paper import REFERENCE, TITLE, paper_row, paper_tables
from model.training.systems import SYSTEMS, Words
from model.workflows.console import exit_status
from model.workflows.preparation import check_device, lock_run
from model.workflows.study import Study, StudyOptions, check_numbers, train_study

PAPER_SYSTEMS: Final = tuple(name for name, system in SYSTEMS.items() if system.tables)


def reproduce(options: StudyOptions, rows: Sequence[str], alignment: Words) -> int:
    """Train what is not finished and write the report; return 1, with the reason on standard error, on failure.

    Args:
        options: Options of the command.
        rows: Names of systems; empty for those of the paper.
        alignment: A recogniser whose system is trained too, or "corpus".
    """
    return exit_status(lambda: _reproduce(options, rows, alignment))


def _reproduce(options: StudyOptions, rows: Sequence[str], alignment: Words) -> None:
    names = choose_systems(rows, alignment)
    check_device(options.device)
    check_numbers("--seeds", options.seeds)
    check_numbers("--alpha-sweep", options.alpha_sweep)
    study = Study("model.reproduce", TITLE, tuple(map(paper_row, names)), paper_tables(names), REFERENCE)
    with lock_run(options.out):
        train_study(study, options)


def choose_systems(names: Sequence[str], alignment: Words) -> tuple[str, ...]:
    """Systems to train: those named or all of the paper's, and the one that uses the recogniser of `alignment`.

    Raises:
        TrainingError: There is no such system, or its words come from a recogniser that is not `alignment`.
    """
    chosen = tuple(names) or PAPER_SYSTEMS
    for name in chosen:
        if name not in SYSTEMS:
            raise TrainingError(f"--rows {name!r}: choose from {', '.join(SYSTEMS)}")
        if SYSTEMS[name].words not in ("corpus", alignment):
            raise TrainingError(f"--rows {name}: add --alignment {SYSTEMS[name].words}, the source of its words")
    recognised = (name for name, system in SYSTEMS.items() if system.words == alignment != "corpus")
    return tuple(dict.fromkeys((*chosen, *recognised)))
