"""Output of commands: results on standard output, errors and progress on standard error."""

import json
import sys
from typing import Final

from rich.console import Console

_PIPED_WIDTH: Final = 120


def output_console() -> Console:
    """Standard output; without colours and 120 columns wide when it is not a terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def error_console() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False)


def print_error(error: Exception, prefix: str = "", console: Console | None = None) -> None:
    """Print one red line.

    Args:
        error: The error.
        prefix: Start of the line, such as the name of a file.
        console: Console of a progress bar on the same terminal; None for standard error.
    """
    target = console or error_console()
    target.print(f"{prefix}{_describe(error, prefix)}", style="red", markup=False, soft_wrap=True)


def _describe(error: Exception, prefix: str) -> str:
    """Message of an error; of a system error without its number, and without its path where the prefix names it."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    path = error.filename and str(error.filename)
    reason = error.strerror[0].lower() + error.strerror[1:]
    return reason if not path or path in prefix else f"{path}: {reason}"


def print_json(value: object) -> None:
    """Print indented JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
