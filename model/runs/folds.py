"""Folds side by side, in processes of one core each; finished ones are not trained again."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import torch
from rich.console import Console

from model.bundle import SUMS, Origin
from model.data.splits import Split
from model.export.packaging import write_bundle
from model.runs.folder import FoldResult, RunFolder
from model.runs.progress import EpochNews, FoldProgress, listening
from model.runs.provenance import training_code
from model.runs.summary import summarise_folds
from model.training.experiment import run_fold
from model.training.loop import Epoch


@dataclass(frozen=True, slots=True)
class FoldJob:
    """What a worker process is told.

    Attributes:
        run: folder of the run.
        split: to train and test on.
        corpus_root: for facts that lie beside the corpus.
        command: that measures this, for the record.
        bundle: where to write a bundle of the fold, and its origin; None when none is wanted.
        device: to train on, as torch names it.
    """

    run: Path
    split: Split
    corpus_root: Path
    command: str
    bundle: tuple[Path, Origin] | None = None
    device: str = "cpu"

    @property
    def name(self) -> str:
        """Of run and split."""
        return f"{self.run.name} {self.split.name}"

    def result(self) -> FoldResult | None:
        """What was kept of it, once it is finished."""
        return RunFolder(self.run).result(self.split)

    def is_finished(self) -> bool:
        """Whether there is a result, and a bundle where one is wanted."""
        return self.result() is not None and (self.bundle is None or (self.bundle[0] / SUMS).is_file())


def finish_folds(jobs: Sequence[FoldJob], processes: int, console: Console) -> list[FoldResult]:
    """Results of all folds, in order; trains those that are not finished.

    Args:
        jobs: of one run or of several, each prepared.
        processes: folds at once; a single one runs in this process.
        console: shows the progress.
    """
    finished = [job for job in jobs if job.is_finished()]
    waiting = [job for job in jobs if job not in finished]
    if finished:
        console.print(f"{len(finished)} of {len(jobs)} folds are finished already, in {jobs[0].run.parent}")
        _warn_of_other_code(finished, console)
    with FoldProgress(console, len(waiting)) as progress:
        lines = _train_here(waiting, progress) if processes == 1 else _train_beside(waiting, processes, progress)
        for name, line in lines:
            progress.finish(name, line)
    return [result for job in jobs if (result := job.result()) is not None]


def _warn_of_other_code(finished: Sequence[FoldJob], console: Console) -> None:
    others = [job for job in finished if (found := job.result()) and found.code != training_code()]
    if others:
        console.print(
            f"[yellow]{len(others)} of them were trained by another version of this code[/], the first in "
            f"{others[0].run / others[0].split.name}; their figures stand beside the others'. To train them anew, "
            "delete these folders"
        )


def describe_fold(result: FoldResult) -> str:
    """One line about a fold."""
    final = result.metrics.get("final")
    figures = f"WA {final.wa:.3f}, UA {final.ua:.3f}, " if final else ""
    return f"{result.experiment.system} {result.split}: {figures}best epoch {result.best_epoch}, {result.seconds:.0f} s"


def train_fold(job: FoldJob, report: Callable[[Epoch], None] = lambda epoch: None) -> FoldResult:
    """Trains, tests and stores one fold, after writing its bundle where one is wanted."""
    started, code = time.monotonic(), training_code()  # now: its files may be edited while this trains
    run = RunFolder(job.run)
    experiment, data = run.experiment(), run.data()
    outcome = run_fold(experiment, data, job.split, report, job.device)
    run.store_logits(job.split, outcome)
    result = run.result_of(job.split, experiment, outcome, data.labels, time.monotonic() - started, code)
    if job.bundle is not None:
        folder, origin = job.bundle
        metrics = {}
        if len(job.split.test):
            figures = summarise_folds(run, [job.split], [result], data, job.corpus_root, job.command)
            metrics = {"cross_validation": figures}
        write_bundle(folder, f"{job.run.name}-{job.split.name}", outcome, experiment, data, origin, metrics)
    run.store_result(job.split, result)
    return result


def _train_here(jobs: Sequence[FoldJob], progress: FoldProgress) -> Iterator[tuple[str, str]]:
    """Name and line of each finished fold; one after the other, on one core like every fold."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for job in jobs:
            yield job.name, describe_fold(train_fold(job, partial(_tell, progress.show, job)))
    finally:
        torch.set_num_threads(threads)


def _train_beside(jobs: Sequence[FoldJob], processes: int, progress: FoldProgress) -> Iterator[tuple[str, str]]:
    """Name and line of each finished fold, as they finish in processes of their own."""
    context = get_context("spawn")
    news: SimpleQueue[EpochNews | None] = context.SimpleQueue()
    pool = ProcessPoolExecutor(processes, context, initializer=_start_worker, initargs=(news,))
    with listening(progress, news), pool:
        futures = {pool.submit(_train_in_worker, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future].name, describe_fold(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _tell(hear: Callable[[EpochNews], None], job: FoldJob, epoch: Epoch) -> None:
    hear(EpochNews(job.name, epoch, RunFolder(job.run).experiment().training.max_epochs))


_news_of_worker: "SimpleQueue[EpochNews | None]"
"""Of a worker process alone: a queue cannot travel with a job, only with the start of a process."""


def _start_worker(news: "SimpleQueue[EpochNews | None]") -> None:
    global _news_of_worker  # noqa: PLW0603
    _news_of_worker = news
    torch.set_num_threads(1)


def _train_in_worker(job: FoldJob) -> FoldResult:
    return train_fold(job, partial(_tell, _news_of_worker.put, job))
