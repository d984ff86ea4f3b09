"""Spans, with the in-memory exporter of the SDK."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.app import open_traces
from service.errors import MissingPackageError
from service.observability.opentelemetry import JOB, REQUEST_ID, OpenTelemetryTraces, export_traces
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.http.test_predict import WAV
from tests.service.http.test_stream import END, read_all, send, spoken
from tests.service.serving import run_app
from tests.waiting import wait_until

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MARK = "unspeakable"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> OpenTelemetryTraces:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OpenTelemetryTraces(provider)


@pytest.fixture
def traced(settings: Settings, aligner: FakeAligner, traces: OpenTelemetryTraces) -> Iterator[TestClient]:
    with run_app(settings.model_copy(update={"allowed_hosts": ("*",)}), aligner, traces=traces) as client:
        yield client


def split(exporter: InMemorySpanExporter) -> tuple[ReadableSpan, dict[str, ReadableSpan]]:
    """Span of the request, and spans of its stages by name, in order; names are unique."""
    *stages, whole = exporter.get_finished_spans()
    assert len({span.name for span in stages}) == len(stages)
    return whole, {span.name: span for span in stages}


def test_spans_of_worker_processes_cover_their_work(
    settings: Settings, aligner: FakeAligner, exporter: InMemorySpanExporter, traces: OpenTelemetryTraces
) -> None:
    """Of six concurrent requests each has consecutive stages within its span; a refused one has those it reached."""
    parallel = settings.model_copy(update={"scorers": 1})
    words = '[{"word": "the", "start": 0.1, "end": 0.3}]'
    with run_app(parallel, aligner, traces=traces) as client, ThreadPoolExecutor(6) as pool:
        files = [WAV] * 5 + [b"no audio"]
        responses = list(
            pool.map(lambda data: client.post("/predict", files={"file": data}, data={"words": words}), files)
        )
    assert [response.status_code for response in responses] == [200] * 5 + [415]
    by_trace: dict[int, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        by_trace.setdefault(span.context.trace_id, []).append(span)
    requests = [spans for spans in by_trace.values() if any(span.name == "POST /predict" for span in spans)]
    assert sorted(len(spans) for spans in requests) == [2, 5, 5, 5, 5, 5]
    for *stages, whole in requests:
        assert [span.name for span in stages] == ["decode", "align", "features", "classify"][: len(stages)]
        times = [time or 0 for span in stages for time in (span.start_time, span.end_time)]
        assert all(times)
        # Time stamps and durations come from two clocks, which are read one after the other.
        assert all(later > earlier - 1_000_000 for earlier, later in pairwise(times))
        assert (whole.start_time or 0) <= times[0] + 1_000_000
        assert times[-1] <= (whole.end_time or 0)


@pytest.mark.parametrize(
    ("fields", "stages"),
    [
        ({}, ["decode", "recognise", "features", "classify"]),
        ({"transcript": f"the {MARK} children"}, ["decode", "align", "features", "classify"]),
        (
            {"words": json.dumps([{"word": MARK, "start": 0.5, "end": 0.9}])},
            ["decode", "align", "features", "classify"],
        ),
    ],
)
def test_stage_spans_belong_to_trace_of_caller(
    traced: TestClient, exporter: InMemorySpanExporter, fields: dict[str, str], stages: list[str]
) -> None:
    response = traced.post("/predict", files={"file": WAV}, data=fields, headers={"traceparent": PARENT})
    whole, parts = split(exporter)
    assert whole.name == "POST /predict"
    assert whole.attributes is not None
    assert whole.attributes["http.response.status_code"] == response.status_code == 200
    assert whole.parent is not None
    assert f"00-{whole.parent.trace_id:032x}-{whole.parent.span_id:016x}-01" == PARENT
    assert list(parts) == stages
    for span in parts.values():
        assert span.parent is not None
        assert span.parent.span_id == whole.context.span_id
        assert span.attributes is not None
        assert span.attributes[REQUEST_ID] == response.headers["x-request-id"]
        assert 0 < (whole.start_time or 0) <= (span.start_time or 0) <= (span.end_time or 0) <= (whole.end_time or 0)
    assert MARK not in "".join(span.to_json() for span in exporter.get_finished_spans())


def test_span_of_refused_request_has_status_and_no_content(traced: TestClient, exporter: InMemorySpanExporter) -> None:
    word = f'[{{"word": "{MARK}", "start": 9, "end": 1}}]'
    assert MARK in traced.post("/predict", files={"file": WAV}, data={"words": word}).text
    whole, _ = split(exporter)
    assert (whole.attributes or {})["http.response.status_code"] == 422
    assert MARK not in "".join(span.to_json() for span in exporter.get_finished_spans())


DOCUMENTED = {
    *("http.request.method", "http.route", "http.response.status_code", "url.scheme", "error.type"),
    *("network.protocol.name", "network.protocol.version", REQUEST_ID, JOB),
}


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", f"/jobs/{MARK}", "GET /jobs/{job_id}"),
        ("GET", f"/model?key={MARK}", "GET /model"),
        ("GET", f"/{MARK}?{MARK}", "GET"),
        (MARK.upper(), f"/{MARK}", "HTTP"),
    ],
)
def test_spans_hold_nothing_that_clients_choose(
    traced: TestClient, exporter: InMemorySpanExporter, method: str, path: str, name: str
) -> None:
    traced.request(method, path, headers={"host": f"{MARK}.example", "referer": MARK, "user-agent": MARK})
    [span] = exporter.get_finished_spans()
    assert span.name == name
    assert (span.attributes or {}).keys() <= DOCUMENTED
    assert MARK not in span.to_json().lower()


def test_spans_of_live_connections_hold_nothing_that_clients_choose(
    traced: TestClient, exporter: InMemorySpanExporter
) -> None:
    with traced.websocket_connect(f"/stream?{MARK}", headers={"host": f"{MARK}.example"}) as session:
        session.send_text(END)
        read_all(session)
    spans = exporter.get_finished_spans()
    assert "WS /stream" in {span.name for span in spans}
    assert {key for span in spans for key in span.attributes or {}} <= DOCUMENTED
    assert MARK not in "".join(span.to_json() for span in spans)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_spans_of_unexpected_errors_hold_no_message(
    settings: Settings, aligner: FakeAligner, exporter: InMemorySpanExporter, traces: OpenTelemetryTraces, accept: str
) -> None:
    """The class of the error is an attribute; an event `exception` would hold its message and its traceback."""
    with run_app(settings, aligner, traces=traces, raise_server_exceptions=False) as client:
        aligner.error = KeyError(MARK)
        response = client.post("/predict", files={"file": WAV}, headers={"accept": accept})
        assert "internal-error" in response.text
        location = client.post("/jobs", files={"file": WAV}).headers["location"]
        wait_until(lambda: client.get(location).json()["status"] == "failed")
        with suppress(KeyError), client.websocket_connect("/stream") as session:
            send(session, spoken())
            session.send_text(END)
            read_all(session)
    spans = exporter.get_finished_spans()
    assert {"POST /predict", "job", "WS /stream"} <= {span.name for span in spans}
    errors = {span.name: (span.attributes or {}).get("error.type") for span in spans if "can.job" not in span.to_json()}
    assert errors["WS /stream"] == "KeyError"
    assert errors["POST /predict"] == ("KeyError" if accept == "application/json" else None)
    assert not [event for span in spans for event in span.events]
    assert MARK not in "".join(span.to_json() for span in spans)


def test_tracer_of_requests_records_no_message(exporter: InMemorySpanExporter, traces: OpenTelemetryTraces) -> None:
    """FastAPI may create spans of operations; their errors have a class only."""
    tracer = traces.request_config["tracer_provider"].get_tracer("fastapi")  # type: ignore[union-attr]
    with pytest.raises(KeyError), tracer.start_as_current_span("operation"):
        raise KeyError(MARK)
    [span] = exporter.get_finished_spans()
    assert not span.events
    assert MARK not in span.to_json()


def test_jobs_and_live_speech_are_traced(traced: TestClient, exporter: InMemorySpanExporter) -> None:
    location = traced.post("/jobs", files={"file": encode(noise(1.0))}).headers["location"]
    wait_until(lambda: traced.get(location).json()["status"] == "done")
    with traced.websocket_connect("/stream") as session:
        send(session, spoken())
        session.send_text(END)
        read_all(session)
    spans = {span.context.span_id: span for span in exporter.get_finished_spans() if span.context}
    owners = {spans[span.parent.span_id].name for span in spans.values() if span.parent and span.name == "recognise"}
    assert owners == {"job", "WS /stream"}
    [job] = [span for span in spans.values() if span.name == "job"]
    assert (job.attributes or {}) == {JOB: location.removeprefix("/jobs/")}


def test_health_and_metrics_are_not_traced(traced: TestClient, exporter: InMemorySpanExporter) -> None:
    traced.get("/health/live")
    traced.get("/metrics")
    assert exporter.get_finished_spans() == ()


@pytest.mark.slow
def test_sdk_is_imported_only_for_traces() -> None:
    """FastAPI imports the API of OpenTelemetry, which does nothing without the SDK."""
    absent = {"opentelemetry.sdk", export_traces.__module__}
    code = (
        "import sys; from service.app import create_app; from service.settings import Settings; "
        "create_app(Settings(traces={traces})); sys.exit(len({absent} & set(sys.modules)))"
    )
    loaded = [
        subprocess.run([sys.executable, "-c", code.format(traces=traces, absent=absent)], check=False).returncode
        for traces in (False, True)
    ]
    assert loaded == [0, len(absent)]


def test_service_name_from_otel_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, expected in ((None, "can-ser"), ("other", "other")):
        if name:
            monkeypatch.setenv("OTEL_SERVICE_NAME", name)
        exported = export_traces()
        assert exported._provider.resource.attributes["service.name"] == expected
        exported.close()


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, export_traces.__module__)
    with pytest.raises(MissingPackageError, match="make install-telemetry"):
        open_traces(enabled=True)
