"""Traces through OpenTelemetry; imported only where they are wanted.

FastAPI makes the span of each request and follows the caller's `traceparent`; the stages under it are made here. Where
they go, how many are kept and how the service is called there is told by the standard's own variables:
`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`.

Source: https://www.w3.org/TR/trace-context/ and https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final

from asgi_correlation_id import correlation_id
from fastapi.telemetry import TelemetryConfig
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from alignment.timing import Seconds
from service.http.middleware.request_log import WATCHED_BY_MACHINES

REQUEST_ID: Final = "can.request_id"
JOB: Final = "can.job"
_NANOSECONDS: Final = 1_000_000_000


class OpenTelemetryTraces:
    """Hands spans to a provider."""

    def __init__(self, provider: TracerProvider) -> None:
        """Takes a provider that has an exporter."""
        self._provider = provider
        self._tracer = provider.get_tracer("can-ser", version("can-ser"))

    @property
    def of_requests(self) -> TelemetryConfig:
        """See `Traces.of_requests`; logs and metrics are our own."""
        return {
            "tracer_provider": self._provider,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": lambda scope: scope["path"].startswith(WATCHED_BY_MACHINES),
        }

    @contextmanager
    def follow_job(self, job_id: str, /) -> Iterator[None]:
        """See `Traces.follow_job`."""
        with self._tracer.start_as_current_span(
            "job",
            context.Context(),
            attributes={JOB: job_id},
            # An error's message may hold a word of what was said.
            record_exception=False,
            set_status_on_exception=False,
        ):
            yield

    def watch_stages(self) -> Callable[[str, Seconds, int], None]:
        """See `Traces.watch_stages`."""
        parent, request_id = context.get_current(), correlation_id.get()
        facts = {REQUEST_ID: request_id} if request_id else {}
        trace.get_current_span().set_attributes(facts)

        def note(stage: str, spent_s: Seconds, ended_ns: int) -> None:
            if stage == "queue":
                # Waiting is no stage: it shows as the gap before one.
                return
            start = ended_ns - int(spent_s * _NANOSECONDS)
            self._tracer.start_span(stage, parent, attributes=facts, start_time=start).end(ended_ns)

        return note

    def close(self) -> None:
        """See `Traces.close`."""
        self._provider.shutdown()


def export_traces() -> OpenTelemetryTraces:
    """Traces that go where the variables of OpenTelemetry say."""
    named = Resource({"service.name": "can-ser"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetryTraces(provider)
