"""Progress bars of folds that train in this or in other processes: one over all folds and one per running fold."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from threading import Thread

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn, TimeRemainingColumn

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


class FoldProgress(Progress):
    """Progress bars on a console; methods may be called from any thread."""

    def __init__(self, console: Console, folds: int) -> None:
        """Create the bar over all folds.

        Args:
            console: Console to draw on; if it is not a terminal, every epoch is printed as a line instead.
            folds: Number of folds to train.
        """
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        super().__init__("{task.description}", *columns, console=console)
        self._all = self.add_task("folds", total=folds)
        self._running: dict[str, TaskID] = {}

    def show(self, update: FoldEpoch) -> None:
        """Update the bar of a running fold, which is added with its first epoch."""
        if update.fold not in self._running:
            self._running[update.fold] = self.add_task(update.fold, total=update.max_epochs)
        description = f"{update.fold}, {update.epoch}"
        self.update(self._running[update.fold], completed=update.epoch.number, description=description)
        if not self.console.is_terminal:
            line = f"{update.fold}: epoch {update.epoch.number} of at most {update.max_epochs}, {update.epoch}"
            self.console.print(line, markup=False)

    def finish(self, fold: str, line: str) -> None:
        """Remove the bar of a fold, print its result, and advance the bar over all folds."""
        if fold in self._running:
            self.remove_task(self._running.pop(fold))
        self.console.print(line, markup=False)
        self.advance(self._all)


@contextmanager
def showing(progress: FoldProgress, updates: "SimpleQueue[FoldEpoch | None]") -> Iterator[None]:
    """Show the updates of a queue, which may come from other processes, until the block ends."""
    thread = Thread(target=_show_all, args=(updates, progress))
    thread.start()
    try:
        yield
    finally:
        updates.put(None)
        thread.join()


def _show_all(updates: "SimpleQueue[FoldEpoch | None]", progress: FoldProgress) -> None:
    while update := updates.get():
        progress.show(update)
