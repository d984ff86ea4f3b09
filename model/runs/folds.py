"""Folds of runs, trained in parallel processes of one core each; finished folds are not trained again."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache, partial
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Final

import torch
from rich.console import Console

from alignment.memory import keep_memory
from model.bundle import Origin
from model.bundle_files import SUMS
from model.data.cache import digest_code
from model.data.prepared import PreparedData, summarise_frames
from model.data.splits import Split
from model.errors import DivergenceError, TrainingError
from model.export.packaging import write_bundle
from model.runs.environment import describe_environment
from model.runs.folder import FoldResult, Run
from model.runs.progress import FoldEpoch, FoldProgress, showing
from model.runs.summary import summarise_fold, summarise_folds
from model.training.calibration import fit_reference
from model.training.experiment import TrainedFold, retest_fold, train_fold
from model.training.loop import Epoch

_TRAINING_CODE: Final = (
    *("network", "training", "data", "runs"),
    *("bundle.py", "calibration.py", "config.py", "scores.py", "vocabulary.py"),
)


_Outcome = FoldResult | DivergenceError


@cache
def training_code() -> str:
    """Digest of the modules that determine a fold's metrics, except feature extraction, which has its own digest."""
    digest = hashlib.sha256()
    digest_code(digest, "model", _TRAINING_CODE)
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Fold:
    """A fold of a prepared run, as sent to a worker process.

    Attributes:
        run: Folder of the run.
        split: Utterances to train, validate and test on.
        corpus_root: Folder of the corpus.
        command: Command line, for the record.
        bundle: Where to write a bundle of the fold, and its origin; None for no bundle.
        device: Training device, as torch names it.
        protocol: Description of the folds for metrics; "" for the one that their names imply.
        also_test: Folders of other prepared runs of the same utterances that the trained network is tested on.
    """

    run: Path
    split: Split
    corpus_root: Path
    command: str
    bundle: tuple[Path, Origin] | None = None
    device: str = "cpu"
    protocol: str = ""
    also_test: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Name of run and split."""
        return f"{self.run.name} {self.split.name}"

    def result(self) -> FoldResult | None:
        """Stored result; None if the fold is not finished."""
        return Run(self.run).result(self.split)

    def is_finished(self) -> bool:
        """Whether the result, those of other tests and, if requested, the bundle are stored."""
        tested = all(Run(other).result(self.split) for other in self.also_test)
        return self.result() is not None and tested and (self.bundle is None or (self.bundle[0] / SUMS).is_file())


def finish_folds(folds: Sequence[Fold], processes: int, console: Console) -> list[FoldResult]:
    """Train the folds that are not finished; return the results of all folds, in order.

    Args:
        folds: Folds of one or several runs, each prepared.
        processes: Number of parallel folds; a single one runs in this process.
        console: Console for the progress.

    Raises:
        TrainingError: Folds have diverged; all others are finished first.
    """
    finished = [fold for fold in folds if fold.is_finished()]
    remaining = [fold for fold in folds if fold not in finished]
    if finished:
        console.print(f"{len(finished)} of {len(folds)} folds are finished already, in {folds[0].run.parent}")
        _warn_of_other_code(finished, console)
    diverged: list[str] = []
    with FoldProgress(console, len(remaining)) as progress:
        outcomes = _run_here(remaining, progress) if processes == 1 else _run_parallel(remaining, processes, progress)
        for name, outcome in outcomes:
            if isinstance(outcome, DivergenceError):
                diverged.append(f"{name}: {outcome}")
            line = diverged[-1] if isinstance(outcome, DivergenceError) else describe_fold(outcome)
            progress.finish(name, line)
    if diverged:
        raise TrainingError(
            f"{len(diverged)} of {len(folds)} folds diverged, the others are finished: {'; '.join(diverged)}"
        )
    return [result for fold in folds if (result := fold.result()) is not None]


def _warn_of_other_code(finished: Sequence[Fold], console: Console) -> None:
    others = [fold for fold in finished if (result := fold.result()) and result.code != training_code()]
    if others:
        console.print(
            f"[yellow]{len(others)} of them were trained by another version of this code[/], the first in "
            f"{others[0].run / others[0].split.name}; their metrics are used as they are. To train them again, "
            "delete these folders"
        )


def describe_fold(result: FoldResult) -> str:
    """One line about a finished fold."""
    final = result.metrics.get("final")
    metrics = f"WA {final.wa:.3f}, UA {final.ua:.3f}, " if final else ""
    return f"{result.experiment.system} {result.split}: {metrics}best epoch {result.best_epoch}, {result.seconds:.0f} s"


def run_fold(fold: Fold, on_epoch: Callable[[Epoch], None] = lambda epoch: None) -> FoldResult:
    """Train and test one fold, write its bundle if requested, and store its result.

    Raises:
        DivergenceError: See `train_split`.
    """
    started, code = time.monotonic(), training_code()  # computed first: files may be edited during training
    run = Run(fold.run)
    experiment, data = run.experiment(), run.data()
    trained = train_fold(experiment, data, fold.split, on_epoch, fold.device)
    run.store_logits(fold.split, trained)
    run.store_predictions(fold.split, experiment.training.alpha)
    run.store_network(fold.split, trained)
    measured = summarise_fold(fold.split, experiment, trained, data.labels, time.monotonic() - started, code)
    result = replace(measured, environment=describe_environment(fold.device))
    for other in fold.also_test:
        _test_on(Run(other), fold, trained, data, result)
    if fold.bundle is not None:
        folder, origin = fold.bundle
        metrics = {}
        if len(fold.split.test):
            summary = summarise_folds(run, [fold.split], [result], data, fold.corpus_root, fold.command, fold.protocol)
            metrics = {"cross_validation": summary}
        name = f"{fold.run.name}-{fold.split.name}"
        sound = fit_reference(summarise_frames(data.by_speed[0]), fold.split.train)
        write_bundle(folder, name, trained, experiment, data.embeddings, origin, metrics, sound)
    run.store_result(fold.split, result)
    return result


def _test_on(other: Run, fold: Fold, trained: TrainedFold, data: PreparedData, result: FoldResult) -> None:
    """Test a trained network on the data of another run and store the result there."""
    other_data, experiment = other.data(), other.experiment()
    retested = retest_fold(trained, data, other_data, fold.split, fold.device)
    other.store_logits(fold.split, retested)
    other.store_predictions(fold.split, experiment.training.alpha)
    measured = summarise_fold(fold.split, experiment, retested, other_data.labels, result.seconds, result.code)
    other.store_result(fold.split, replace(measured, environment=result.environment))


def _run_here(folds: Sequence[Fold], progress: FoldProgress) -> Iterator[tuple[str, _Outcome]]:
    """Run folds one after the other on one core; yield the name and the outcome of each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_memory()
    try:
        for fold in folds:
            yield fold.name, _run_or_diverge(fold, partial(_send, progress.show, fold))
    finally:
        torch.set_num_threads(threads)


def _run_or_diverge(fold: Fold, on_epoch: Callable[[Epoch], None]) -> _Outcome:
    try:
        return run_fold(fold, on_epoch)
    except DivergenceError as exc:
        return exc


def _run_parallel(folds: Sequence[Fold], processes: int, progress: FoldProgress) -> Iterator[tuple[str, _Outcome]]:
    """Run folds in worker processes; yield the name and the outcome of each."""
    context = get_context("spawn")
    updates: SimpleQueue[FoldEpoch | None] = context.SimpleQueue()
    pool = ProcessPoolExecutor(processes, context, initializer=_start_worker, initargs=(updates,))
    with showing(progress, updates), pool:
        futures = {pool.submit(_run_in_worker, fold): fold for fold in folds}
        try:
            for future in as_completed(futures):
                yield futures[future].name, future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _send(receive: Callable[[FoldEpoch], None], fold: Fold, epoch: Epoch) -> None:
    receive(FoldEpoch(fold.name, epoch, Run(fold.run).experiment().training.max_epochs))


_updates_of_worker: "SimpleQueue[FoldEpoch | None]"
"""Set in worker processes only: a queue can be passed when a process starts, not with a task."""


def _start_worker(updates: "SimpleQueue[FoldEpoch | None]") -> None:
    global _updates_of_worker  # noqa: PLW0603
    _updates_of_worker = updates
    torch.set_num_threads(1)
    keep_memory()


def _run_in_worker(fold: Fold) -> _Outcome:
    return _run_or_diverge(fold, partial(_send, _updates_of_worker.put, fold))
