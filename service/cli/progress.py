"""How far an archive is: a bar on a terminal, a line now and then elsewhere. All of it on standard error."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from alignment.timing import Seconds
from service.cli.console import complaints

_LINE_EVERY_S: Final = 30.0


class BulkProgress:
    """Counts what comes, and tells."""

    def __init__(self, total: int, already: int, out: Path) -> None:
        """Shows nothing yet.

        Args:
            total: recordings of the archive.
            already: of them those that earlier runs answered.
            out: the table.
        """
        self._total, self._done, self._already, self._out = total, already, already, out
        self._problems = 0
        self._sound_s = 0.0
        self._began = self._told = time.monotonic()
        self._console = complaints()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("workers start", total=total, completed=already)

    def __enter__(self) -> "BulkProgress":
        if self._already:
            self._say(f"{self._already:,} of {self._total:,} recordings have their rows already")
        self._began = self._told = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def add(self, durations_s: Sequence[Seconds | None], problems: Sequence[str | None]) -> None:
        """Recordings that have a row now.

        Args:
            durations_s: of each; None where nothing could be heard.
            problems: of each; None where it was answered.
        """
        self._done += len(durations_s)
        self._sound_s += sum(duration_s or 0.0 for duration_s in durations_s)
        self._problems += sum(problem is not None for problem in problems)
        self._bar.update(self._task, completed=self._done, description=self._describe())
        if not self._console.is_terminal and time.monotonic() - self._told >= _LINE_EVERY_S:
            self._told = time.monotonic()
            self._say(f"{self._done:,} of {self._total:,} recordings: {self._describe()}")

    def tell_interrupted(self) -> None:
        """What is left, and how to go on."""
        self._say(f"interrupted: {self._done:,} of {self._total:,} recordings have their rows; run it again to go on")

    def tell_done(self, problems: Sequence[str]) -> None:
        """What came of it.

        Args:
            problems: of all recordings of the archive.
        """
        spent_s = time.monotonic() - self._began
        self._say(
            f"{self._out}: {self._total:,} recordings, {self._done - self._already:,} of them now, in {spent_s:.0f} s "
            f"({self._describe()})"
        )
        if problems:
            counts = ", ".join(f"{count:,} {code}" for code, count in Counter(problems).most_common())
            self._say(f"{len(problems):,} could not be answered: {counts}; the column `message` says why")

    def _describe(self) -> str:
        speed = self._sound_s / max(1e-3, time.monotonic() - self._began)
        troubles = f", {self._problems:,} with a problem" if self._problems else ""
        return f"{self._sound_s / 60:.1f} min of sound, {speed:.1f} times real time{troubles}"

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)
