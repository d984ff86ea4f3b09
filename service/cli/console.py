"""Where commands write: answers to standard output, complaints and progress to standard error."""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_T = TypeVar("_T")
_PIPED_WIDTH: Final = 120


def answers() -> Console:
    """Standard output; without colours and 120 wide when it is no terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def complaints() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False)


def complain(error: Exception, prefix: str = "", console: Console | None = None) -> None:
    """A line in red.

    Args:
        error: what went wrong.
        prefix: of the line: which file.
        console: one that draws a progress bar on the same terminal; None for standard error.
    """
    where = console or complaints()
    where.print(f"{prefix}{_message(error, prefix)}", style="red", markup=False, soft_wrap=True)


def _message(error: Exception, prefix: str) -> str:
    """In words; of the system's errors without number, and without the path where the prefix names it."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    path = error.filename and str(error.filename)
    reason = error.strerror[0].lower() + error.strerror[1:]
    return reason if not path or path in prefix else f"{path}: {reason}"


def print_json(value: object) -> None:
    """Indented, on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def with_progress(items: Sequence[_T], description: str, console: Console | None) -> Iterator[_T]:
    """The same items, with a bar on a terminal when there are several; it goes when it is full.

    Args:
        items: what is worked on.
        description: stands before the bar.
        console: draws the bar; None for no bar. What else is written to its terminal meanwhile goes through it, or is
            torn apart.
    """
    if len(items) < 2 or console is None or not console.is_terminal:
        yield from items
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Redirected, standard output would go to the bar's console: to the terminal, not into the file that was asked for.
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bars:
        yield from bars.track(items, description=description)
