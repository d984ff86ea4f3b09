"""Traces through OpenTelemetry (extra `telemetry`, `CAN_TRACES=true`).

FastAPI creates the span of each request and continues the caller's `traceparent`; the spans of stages are created here.
The standard variables configure the export: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`,
`OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`.

Source: https://www.w3.org/TR/trace-context/ and https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Final

from asgi_correlation_id import correlation_id
from fastapi.telemetry import TelemetryConfig
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util import types

from alignment.timing import Seconds
from service.observability.metrics import WATCHED_BY_MACHINES
from service.observability.route_path import route_path
from service.observability.tracing import StageRecorder

REQUEST_ID: Final = "can.request_id"
JOB: Final = "can.job"
_NANOSECONDS: Final = 1_000_000_000


_ATTRIBUTES: Final = frozenset(
    {"http.request.method", "url.scheme", "network.protocol.name", "network.protocol.version"}
)


_NO_MESSAGES: Final[dict[str, Any]] = {"record_exception": False, "set_status_on_exception": False}
"""The message of an error may hold a word of the transcript."""


class _RequestTracer(trace.Tracer):
    """Tracer of request spans without what clients choose.

    That is path, query string, host, names of unknown methods, and messages of errors.
    """

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def start_span(  # type: ignore[override]
        self, name: str, context: context.Context | None = None, *, attributes: types.Attributes = None, **options: Any
    ) -> trace.Span:
        """See `trace.Tracer.start_span`."""
        kept = {key: value for key, value in (attributes or {}).items() if key in _ATTRIBUTES}
        return self._tracer.start_span(name, context, attributes=kept, **(options | _NO_MESSAGES))

    @contextmanager
    def start_as_current_span(self, *arguments: Any, **options: Any) -> Iterator[trace.Span]:  # type: ignore[override]
        """See `trace.Tracer.start_as_current_span`."""
        with trace.use_span(self.start_span(*arguments, **options), end_on_exit=True, **_NO_MESSAGES) as span:
            yield span


class _RequestTracerProvider(trace.TracerProvider):
    """Provider of the tracer of requests."""

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *arguments: Any, **options: Any) -> trace.Tracer:
        """See `trace.TracerProvider.get_tracer`."""
        return _RequestTracer(self._provider.get_tracer(*arguments, **options))


class OpenTelemetryTraces:
    """Creates spans with a tracer provider."""

    def __init__(self, provider: TracerProvider) -> None:
        """Use a provider that has an exporter."""
        self._provider = provider
        self._tracer = provider.get_tracer("can-ser", version("can-ser"))

    @property
    def request_config(self) -> TelemetryConfig:
        """See `Traces.request_config`; logs and metrics of this project replace those of FastAPI."""
        return {
            "tracer_provider": _RequestTracerProvider(self._provider),
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": lambda scope: route_path(scope).startswith(WATCHED_BY_MACHINES),
        }

    @contextmanager
    def trace_job(self, job_id: str, /) -> Iterator[None]:
        """See `Traces.trace_job`."""
        with self._tracer.start_as_current_span("job", context.Context(), attributes={JOB: job_id}, **_NO_MESSAGES):
            yield

    def record_stages(self) -> StageRecorder:
        """See `Traces.record_stages`."""
        parent, request_id = context.get_current(), correlation_id.get()
        facts = {REQUEST_ID: request_id} if request_id else {}
        trace.get_current_span().set_attributes(facts)

        def record(stage: str, spent_s: Seconds, ended_ns: int) -> None:
            if stage == "queue":
                # Queue time is the gap before a stage.
                return
            start = ended_ns - int(spent_s * _NANOSECONDS)
            self._tracer.start_span(stage, parent, attributes=facts, start_time=start).end(ended_ns)

        return record

    def close(self) -> None:
        """See `Traces.close`."""
        self._provider.shutdown()


def export_traces() -> OpenTelemetryTraces:
    """Traces that are exported as the OTEL_* variables configure."""
    named = Resource({"service.name": "can-ser"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetryTraces(provider)
