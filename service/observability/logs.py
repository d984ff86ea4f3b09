"""Logs: one line per event with its request id, as JSON, or in colours on a terminal.

Audio, transcripts, file names and keys are never logged. Libraries log no more than at the level `info`: at `debug`
websockets logs headers and payloads, multipart parsers log names and data.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from asgi_correlation_id import correlation_id

from service.observability.printable import printable_lines

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
    # The log line of RequestLog has more fields.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _renderers(*, on_terminal: bool) -> list[Any]:
    if on_terminal:
        # The default formatter of tracebacks prints the variables of each frame: words and audio.
        return [structlog.dev.ConsoleRenderer(pad_event_to=0, exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _escape_controls(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Names of bundles and messages of errors may contain characters that a terminal would obey."""
    event.update({key: printable_lines(value) for key, value in event.items() if isinstance(value, str)})
    return event


def _add_request_id(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    request_id = correlation_id.get()
    if request_id:
        event["request_id"] = request_id
    return event
