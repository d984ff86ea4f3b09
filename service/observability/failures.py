"""Tracebacks for the log, without messages: those may quote words, names or values of a request."""

import traceback


def outline_traceback(error: BaseException) -> list[str]:
    """Class of an error and of each of its causes, followed by the calls that led to it, outermost first."""
    lines: list[str] = []
    link: traceback.TracebackException | None = traceback.TracebackException.from_exception(error)
    while link is not None:
        name = link.exc_type.__name__ if link.exc_type else "unknown"
        lines.append(f"caused by {name}" if lines else name)
        lines += [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in link.stack]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return lines
