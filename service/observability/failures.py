"""Tracebacks for the log, without messages: those may quote words, names or values of a request."""

import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Final

_MAX_CAUSES: Final = 20


def outline_traceback(error: BaseException) -> list[str]:
    """Class of an error and of each of its causes, followed by the calls that led to it, outermost first."""
    lines: list[str] = []
    links = [traceback.TracebackException.from_exception(error)]
    for _ in range(_MAX_CAUSES):
        if not links:
            break
        link = links.pop(0)
        name = link.exc_type.__name__ if link.exc_type else "unknown"
        lines.append(f"caused by {name}" if lines else name)
        lines += [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in link.stack]
        cause = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        links += [*(link.exceptions or ()), *([cause] if cause else [])]
    return lines


def outline_exc_info(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace `exc_info` by `traceback`, an outline, in the events of all loggers."""
    raised = event.pop("exc_info", None)
    error = raised[1] if isinstance(raised, tuple) else sys.exception() if raised is True else raised
    if isinstance(error, BaseException):
        event["traceback"] = outline_traceback(error)
    return event
