"""Folds side by side, in processes of one core each; finished ones are not trained again."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from model.bundle import Origin
from model.crossval import Split
from model.experiment import run_fold
from model.packaging import fold_temperature, summarise_folds, write_bundle
from model.runs import FoldResult, RunFolder
from model.training import Epoch


@dataclass(frozen=True, slots=True)
class FoldJob:
    """What a worker process is told.

    Attributes:
        run: folder of the run.
        split: to train and test on.
        corpus_root: for facts that lie beside the corpus.
        command: that measures this, for the record.
        bundle: where to write a bundle of the fold, and its origin; None when none is wanted.
    """

    run: Path
    split: Split
    corpus_root: Path
    command: str
    bundle: tuple[Path, Origin] | None = None


def finish_folds(run: RunFolder, jobs: Sequence[FoldJob], processes: int, console: Console) -> list[FoldResult]:
    """Results of all folds, in order; trains those that are not finished.

    Args:
        run: prepared.
        jobs: one per fold.
        processes: folds at once.
        console: shows the progress.
    """
    waiting = [job for job in jobs if run.result(job.split) is None]
    if len(waiting) < len(jobs):
        console.print(f"{len(jobs) - len(waiting)} of {len(jobs)} folds are finished already, in {run.path}")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress, _pool(processes) as pool:
        task = progress.add_task("folds", total=len(waiting))
        futures = [pool.submit(train_fold, job) for job in waiting]
        try:
            for future in as_completed(futures):
                progress.console.print(describe_fold(future.result()))
                progress.advance(task)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [result for job in jobs if (result := run.result(job.split)) is not None]


def describe_fold(result: FoldResult) -> str:
    """One line about a fold."""
    final = result.metrics["final"]
    return (
        f"{result.split}: WA {final.wa:.3f}, UA {final.ua:.3f}, best epoch {result.best_epoch}, {result.seconds:.0f} s"
    )


def train_fold(job: FoldJob, report: Callable[[Epoch], None] = lambda epoch: None) -> FoldResult:
    """Trains, tests and stores one fold, after writing its bundle where one is wanted."""
    started = time.monotonic()
    run = RunFolder(job.run)
    experiment, data = run.experiment(), run.data()
    outcome = run_fold(experiment, data, job.split, report)
    run.store_logits(job.split, outcome)
    result = run.result_of(job.split, outcome, data.labels, time.monotonic() - started)
    if job.bundle is not None:
        folder, origin = job.bundle
        temperature = fold_temperature(run, [job.split], data.labels, experiment.training.alpha)
        facts = summarise_folds(run, [job.split], [result], data, job.corpus_root, job.command)
        write_bundle(folder, outcome, experiment, data, origin, temperature, {"cross_validation": facts})
    run.store_result(job.split, result)
    return result


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, get_context("spawn"), initializer=_start_worker)


def _start_worker() -> None:
    torch.set_num_threads(1)
