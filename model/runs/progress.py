"""What is seen while folds train in other processes: a bar over all of them, and a line for each that is running."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from model.training.loop import Epoch


@dataclass(frozen=True, slots=True)
class EpochNews:
    """What a worker says after an epoch.

    Attributes:
        fold: system and split.
        epoch: the line of the learning curve.
        max_epochs: at most so many will come.
    """

    fold: str
    epoch: Epoch
    max_epochs: int


class FoldProgress:
    """Bars on a console; methods may be called from any thread."""

    def __init__(self, console: Console, folds: int) -> None:
        """Shows nothing yet.

        Args:
            console: to draw on; where it is no terminal, each epoch is a line instead.
            folds: to train.
        """
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._all = self._bars.add_task("folds", total=folds)
        self._running: dict[str, TaskID] = {}

    def __enter__(self) -> "FoldProgress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, news: EpochNews) -> None:
        """Moves a running fold's line, which appears with its first epoch."""
        if news.fold not in self._running:
            self._running[news.fold] = self._bars.add_task(news.fold, total=news.max_epochs)
        described = f"{news.fold}, {news.epoch}"
        self._bars.update(self._running[news.fold], completed=news.epoch.number, description=described)
        if not self._bars.console.is_terminal:
            line = f"{news.fold}: epoch {news.epoch.number} of {news.max_epochs} at most, {news.epoch}"
            self._bars.console.print(line, markup=False)

    def finish(self, fold: str, line: str) -> None:
        """Takes a fold's line away, prints what it gave, and moves the bar over all."""
        if fold in self._running:
            self._bars.remove_task(self._running.pop(fold))
        self._bars.console.print(line, markup=False)
        self._bars.advance(self._all)


class NewsQueue(Protocol):
    """What `listening` needs of a queue, whether between threads or between processes."""

    def put(self, news: EpochNews | None) -> None:
        """Adds at the end."""

    def get(self) -> EpochNews | None:
        """Takes the first, waiting for it."""


@contextmanager
def listening(progress: FoldProgress, queue: NewsQueue) -> Iterator[None]:
    """Shows what comes through a queue, until the block ends."""
    listener = Thread(target=_show_all, args=(queue, progress))
    listener.start()
    try:
        yield
    finally:
        queue.put(None)
        listener.join()


def _show_all(queue: NewsQueue, progress: FoldProgress) -> None:
    while news := queue.get():
        progress.show(news)
