"""Where commands write: answers to standard output, complaints and progress to standard error."""

import json
import sys
from collections.abc import Iterable
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import track

_T = TypeVar("_T")
_PIPED_WIDTH: Final = 120


def answers() -> Console:
    """Standard output; without colours and 120 wide when it is no terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def complain(error: Exception, prefix: str = "") -> None:
    """A line on standard error."""
    _errors().print(f"{prefix}{error}", style="red", markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """Indented, on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def with_progress(items: list[_T], description: str) -> Iterable[_T]:
    """The same items, with a bar on a terminal when there are several; it goes when it is full."""
    console = _errors()
    if len(items) < 2 or not console.is_terminal:
        return items
    return track(items, description, console=console, transient=True)


def _errors() -> Console:
    return Console(stderr=True, highlight=False)
