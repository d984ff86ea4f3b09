"""Logs: one line per event with its request id, as JSON, or in colours on a terminal.

Audio, transcripts, file names and keys are never logged. Libraries log no more than at the level `info`: at `debug`
websockets logs headers and payloads, multipart parsers log names and data. Of an error, its class and the calls that
led to it are logged: its message may quote a request.
"""

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog
from asgi_correlation_id import correlation_id

from alignment.printable import printable_lines
from service.observability.failures import outline_exc_info

_OWN: Final = ("service", "model", "alignment")


def configure_logs(level: str) -> None:
    """Send the logs of structlog and of the standard library to standard error.

    Args:
        level: Lowest level of this project's loggers, and of those of libraries where it is not `debug`.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        outline_exc_info,
        _escape_controls,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_renderers(on_terminal=sys.stderr.isatty()),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    own = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(own, logging.INFO))
    for name in _OWN:
        logging.getLogger(name).setLevel(own)
    _restrict_libraries()


def _restrict_libraries() -> None:
    """Send what libraries log through the formatter of this project, without what it may quote of a request."""
    for name in ("uvicorn", "uvicorn.error"):
        # The command `uvicorn` adds a handler of its own.
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # The log line of RequestLog has more fields.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("httpx").setLevel(logging.WARNING)
    _set_filter(logging.getLogger("uvicorn.error"), _drop_query)
    _set_filter(logging.getLogger("asyncio"), _drop_task)


def _set_filter(logger: logging.Logger, change: Callable[[logging.LogRecord], bool]) -> None:
    logger.removeFilter(change)
    logger.addFilter(change)


def _drop_query(record: logging.LogRecord) -> bool:
    """Addresses of WebSockets without their query string, which may hold a key by mistake."""
    if '"WebSocket %s"' in str(record.msg) and isinstance(record.args, tuple):
        record.args = tuple(each.partition("?")[0] if isinstance(each, str) else each for each in record.args)
    return True


def _drop_task(record: logging.LogRecord) -> bool:
    """First line of a message of asyncio: the following ones show the task, with the message of its error."""
    if record.exc_info:
        record.msg, record.args = record.getMessage().partition("\n")[0], ()
    return True


def _renderers(*, on_terminal: bool) -> list[Any]:
    if on_terminal:
        return [
            _write_traceback_below,
            structlog.dev.ConsoleRenderer(pad_event_to=0, exception_formatter=structlog.dev.plain_traceback),
        ]
    return [structlog.processors.JSONRenderer()]


def _write_traceback_below(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The outline of a traceback as lines of their own, in place of a list."""
    if outline := event.pop("traceback", None):
        event["exception"] = printable_lines("\n  ".join(outline))
    return event


def _escape_controls(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Names of bundles and messages of errors may contain characters that a terminal would obey."""
    event.update({key: printable_lines(value) for key, value in event.items() if isinstance(value, str)})
    return event


def _add_request_id(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    request_id = correlation_id.get()
    if request_id:
        event["request_id"] = request_id
    return event
