"""Tracing interface, with a no-op implementation; `service.observability.opentelemetry` is the other one.

A trace holds times, names of stages, statuses and ids; never audio, words or keys.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from fastapi.telemetry import TelemetryConfig

from alignment.timing import Seconds

StageRecorder = Callable[[str, Seconds, int], None]
"""Called after a stage, in any thread, with its name, its duration and its end (nanoseconds since the epoch)."""


class Traces(Protocol):
    """Creates spans."""

    @property
    def request_config(self) -> TelemetryConfig:
        """Configuration of FastAPI, which creates the span of each request."""

    def trace_job(self, job_id: str, /) -> AbstractContextManager[None]:
        """A span for a job, which belongs to no request."""

    def record_stages(self) -> StageRecorder:
        """A function that records stages as children of the span that is current when this is called."""

    def close(self) -> None:
        """Export the remaining spans."""


class NoTraces:
    """No spans, and none of FastAPI's own logs, which would hold the messages of errors."""

    @property
    def request_config(self) -> TelemetryConfig:
        """See `Traces.request_config`."""
        return {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

    def trace_job(self, _job_id: str, /) -> AbstractContextManager[None]:
        """See `Traces.trace_job`."""
        return nullcontext()

    def record_stages(self) -> StageRecorder:
        """See `Traces.record_stages`."""
        return lambda _stage, _spent_s, _ended_ns: None

    def close(self) -> None:
        """Do nothing."""
