"""Output of commands: results on standard output, errors and progress on standard error.

Text of others is printed as `model.safe_console` describes.
"""

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

from alignment.printable import printable
from model.safe_console import SafeConsole
from service.sources import state_reason

_PIPED_WIDTH: Final = 120
_CONTROLS_IN_JSON: Final = {code: f"\\u{code:04x}" for code in range(127, 160)}


def output_console() -> Console:
    """Standard output; without colours and 120 columns wide when it is not a terminal."""
    return SafeConsole(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def error_console() -> Console:
    """Standard error."""
    return SafeConsole(stderr=True, highlight=False)


def accept_any_text() -> None:
    """Write as an escape what the encoding of standard output lacks, such as bytes of file names that are not text."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def writing_output() -> Iterator[None]:
    """Write everything to standard output before the block ends.

    Raises:
        SystemExit: It cannot be written: status 2, or 0 where the reader has closed the pipe, as `head` does.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        raise SystemExit(0) from None
    except OSError as exc:
        print_error(exc)
        discard_output()
        raise SystemExit(2) from exc


def discard_output() -> None:
    """Discard what is still to be written to standard output, which Python would try again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_error(error: Exception, prefix: str = "", console: Console | None = None) -> None:
    """Print one red line.

    Args:
        error: The error.
        prefix: Start of the line, such as the name of a file.
        console: Console of a progress bar on the same terminal; None for standard error.
    """
    target = console or error_console()
    line = f"{printable(prefix)}{_describe(error, prefix)}"
    target.print(line, style="red", markup=False, soft_wrap=True)


def print_warnings(warnings: Iterable[str], prefix: str, console: Console | None = None) -> None:
    """Print a yellow line for each warning; see `print_error` for the other arguments."""
    target = console or error_console()
    for warning in warnings:
        target.print(f"{printable(prefix)}{printable(warning)}", style="yellow", markup=False, soft_wrap=True)


def print_left_out(error: OSError) -> None:
    """Print a warning about a folder that cannot be read."""
    line = f"left out: {printable(_describe(error, ''))}"
    error_console().print(line, style="yellow", markup=False, soft_wrap=True)


def _describe(error: Exception, prefix: str) -> str:
    """Message of an error; of a system error without its number, and without its path where the prefix names it."""
    if isinstance(error, MemoryError):
        return f"not enough memory ({error})" if str(error) else "not enough memory"
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    path = error.filename and str(error.filename)
    reason = state_reason(error)
    return reason if not path or path in prefix else f"{path}: {reason}"


def json_line(value: object, indent: int | None = None) -> str:
    """JSON that a terminal can show."""
    return json.dumps(value, indent=indent, ensure_ascii=False).translate(_CONTROLS_IN_JSON) + "\n"


def print_json(value: object) -> None:
    """Print indented JSON on standard output."""
    sys.stdout.write(json_line(value, indent=2))
