"""Who is told what a request did, and when: nobody, or OpenTelemetry (extra `telemetry`, `CAN_TRACES=true`).

A trace holds times, names of stages, statuses and ids. Neither sound nor words nor keys ever enter one.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from fastapi.telemetry import TelemetryConfig

from alignment.timing import Seconds
from service.errors import MissingPackageError


class Traces(Protocol):
    """Takes spans."""

    @property
    def of_requests(self) -> TelemetryConfig:
        """What FastAPI, which makes the span of each request, is to do."""

    def follow_job(self, job_id: str, /) -> AbstractContextManager[None]:
        """A job, which no request waits for."""

    def watch_stages(self) -> Callable[[str, Seconds, int], None]:
        """Is told, in any thread, of each stage that has ended: a child of what is followed where this is called."""

    def close(self) -> None:
        """Sends what is left."""


class NoTraces:
    """Tells nobody: not FastAPI's own logs either, which would hold what errors say."""

    @property
    def of_requests(self) -> TelemetryConfig:
        """See `Traces.of_requests`."""
        return {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

    def follow_job(self, _job_id: str, /) -> AbstractContextManager[None]:
        """See `Traces.follow_job`."""
        return nullcontext()

    def watch_stages(self) -> Callable[[str, Seconds, int], None]:
        """See `Traces.watch_stages`."""
        return lambda _stage, _spent_s, _ended_ns: None

    def close(self) -> None:
        """Nothing is left."""


def open_traces(*, wanted: bool) -> Traces:
    """The traces that the settings ask for.

    Raises:
        MissingPackageError: OpenTelemetry is not installed.
    """
    if not wanted:
        return NoTraces()
    try:
        from service.observability.opentelemetry import export_traces
    except ModuleNotFoundError as exc:
        raise MissingPackageError("opentelemetry-sdk", "telemetry") from exc
    return export_traces()
