"""Progress bars of folds that train in this or in other processes: one over all folds and one per running fold."""

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
class FoldEpoch:
    """A finished epoch of a fold.

    Attributes:
        fold: Run and split.
        epoch: Point of the learning curve.
        max_epochs: Maximum number of epochs.
    """

    fold: str
    epoch: Epoch
    max_epochs: int


class FoldProgress:
    """Progress bars on a console; methods may be called from any thread."""

    def __init__(self, console: Console, folds: int) -> None:
        """Create the bar over all folds.

        Args:
            console: Console to draw on; if it is not a terminal, every epoch is printed as a line instead.
            folds: Number of folds to train.
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

    def show(self, update: FoldEpoch) -> None:
        """Update the bar of a running fold, which is added with its first epoch."""
        if update.fold not in self._running:
            self._running[update.fold] = self._bars.add_task(update.fold, total=update.max_epochs)
        description = f"{update.fold}, {update.epoch}"
        self._bars.update(self._running[update.fold], completed=update.epoch.number, description=description)
        if not self._bars.console.is_terminal:
            line = f"{update.fold}: epoch {update.epoch.number} of at most {update.max_epochs}, {update.epoch}"
            self._bars.console.print(line, markup=False)

    def finish(self, fold: str, line: str) -> None:
        """Remove the bar of a fold, print its result, and advance the bar over all folds."""
        if fold in self._running:
            self._bars.remove_task(self._running.pop(fold))
        self._bars.console.print(line, markup=False)
        self._bars.advance(self._all)


class EpochQueue(Protocol):
    """Queue between threads or processes, as required by `showing`; None ends it."""

    def put(self, update: FoldEpoch | None) -> None:
        """Add an item at the end."""

    def get(self) -> FoldEpoch | None:
        """Remove and return the first item; blocks until there is one."""


@contextmanager
def showing(progress: FoldProgress, queue: EpochQueue) -> Iterator[None]:
    """Show the updates of a queue until the block ends."""
    thread = Thread(target=_show_all, args=(queue, progress))
    thread.start()
    try:
        yield
    finally:
        queue.put(None)
        thread.join()


def _show_all(queue: EpochQueue, progress: FoldProgress) -> None:
    while update := queue.get():
        progress.show(update)
