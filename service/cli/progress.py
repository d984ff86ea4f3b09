"""Progress of commands on standard error: bars on a terminal, lines elsewhere."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from alignment.aligners.weights.download import Report
from alignment.timing import Seconds
from service.cli.console import error_console

_T = TypeVar("_T")
_BULK_LINE_EVERY_S: Final = 30.0
_DOWNLOAD_LINE_EVERY_S: Final = 5.0
_MEGABYTE: Final = 1_000_000


def _count_columns() -> tuple[ProgressColumn, ...]:
    return TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()


def track(items: Sequence[_T], description: str, console: Console | None) -> Iterator[_T]:
    """Yield the items, with a temporary bar on a terminal when there are several.

    Args:
        items: Items to process.
        description: Text before the bar.
        console: Console of the bar; None for no bar. Other output to its terminal must use it meanwhile.
    """
    if len(items) < 2 or console is None or not console.is_terminal:
        yield from items
        return
    # Redirection would send standard output to the terminal of the bar instead of a file.
    bars = Progress(*_count_columns(), console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    with bars:
        yield from bars.track(items, description=description)


class BulkProgress:
    """Progress of `can-ser bulk`."""

    def __init__(self, total: int, already: int, out: Path) -> None:
        """Print nothing yet.

        Args:
            total: Recordings of the archive.
            already: Recordings that earlier runs have processed.
            out: The table.
        """
        self._total, self._done, self._already, self._out = total, already, already, out
        self._problems = 0
        self._audio_s = 0.0
        self._began = self._printed = time.monotonic()
        self._console = error_console()
        hidden = not self._console.is_terminal
        self._bar = Progress(*_count_columns(), console=self._console, transient=True, disable=hidden)
        self._task = self._bar.add_task("starting workers", total=total, completed=already)

    def __enter__(self) -> "BulkProgress":
        if self._already:
            self._print(f"{self._already:,} of {self._total:,} recordings are in the table already")
        self._began = self._printed = time.monotonic()
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def add(self, durations_s: Sequence[Seconds | None], problems: Sequence[str | None]) -> None:
        """Count new rows of the table.

        Args:
            durations_s: Duration of each recording; None where it could not be decoded.
            problems: Problem code of each recording; None where it was analysed.
        """
        self._done += len(durations_s)
        self._audio_s += sum(duration_s or 0.0 for duration_s in durations_s)
        self._problems += sum(problem is not None for problem in problems)
        self._bar.update(self._task, completed=self._done, description=self._describe())
        if not self._console.is_terminal and time.monotonic() - self._printed >= _BULK_LINE_EVERY_S:
            self._printed = time.monotonic()
            self._print(f"{self._done:,} of {self._total:,} recordings: {self._describe()}")

    def print_interrupted(self) -> None:
        """Print what is left, and how to resume."""
        self._print(f"interrupted: {self._done:,} of {self._total:,} recordings are in the table; run again to resume")

    def print_summary(self, problems: Sequence[str]) -> None:
        """Print the result.

        Args:
            problems: Problem codes of all recordings of the archive.
        """
        spent_s = time.monotonic() - self._began
        new = self._done - self._already
        self._print(f"{self._out}: {self._total:,} recordings, {new:,} new, in {spent_s:.0f} s ({self._describe()})")
        if problems:
            counts = ", ".join(f"{count:,} {code}" for code, count in Counter(problems).most_common())
            self._print(f"{len(problems):,} could not be analysed: {counts}; see the column `message`")

    def _describe(self) -> str:
        speed = self._audio_s / max(1e-3, time.monotonic() - self._began)
        failed = f", {self._problems:,} with a problem" if self._problems else ""
        return f"{self._audio_s / 60:.1f} min of audio, {speed:.1f} times real time{failed}"

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)


@contextmanager
def track_downloads(console: Console) -> Iterator[Report]:
    """A function that reports downloads: a bar per file on a terminal, a line every few seconds elsewhere."""
    if not console.is_terminal:
        yield _DownloadLines(console).report
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def report(name: str, done_bytes: int, total_bytes: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name)
            bars.update(tasks[name], completed=done_bytes, total=total_bytes)

        yield report


class _DownloadLines:
    """A line at the start and the end of each file, and every few seconds between."""

    def __init__(self, console: Console) -> None:
        self._console, self._name, self._printed_at = console, "", 0.0

    def report(self, name: str, done_bytes: int, total_bytes: int | None) -> None:
        """See `Report`."""
        recent = time.monotonic() - self._printed_at < _DOWNLOAD_LINE_EVERY_S
        if name == self._name and done_bytes != total_bytes and recent:
            return
        self._name, self._printed_at = name, time.monotonic()
        total = f" of {total_bytes / _MEGABYTE:,.1f}" if total_bytes else ""
        self._console.print(f"{name}: {done_bytes / _MEGABYTE:,.1f}{total} MB", markup=False, soft_wrap=True)
