"""What an operator watches, in Prometheus's format; docker/grafana/dashboard.json draws it."""

from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from alignment.timing import Seconds

_STAGE_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_FACTORS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters and histograms of one application, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._requests = self._counter("requests", "Requests answered.", "method", "path", "status")
        self._seconds = self._histogram("request_seconds", "From first byte to last.", _STAGE_S, "path")
        self._rejected = self._counter("rejected", "Requests refused, by problem code.", "code")
        self._stages = self._histogram("stage_seconds", "Time of a recording in each stage.", _STAGE_S, "stage")
        self._batches = self._histogram("batch_requests", "Requests that the network answers together.", _SIZES)
        self._audio = self._counter("audio_seconds", "Length of the recordings answered.")
        self._factor = self._histogram("real_time_factor", "Time to an answer, per second of audio.", _FACTORS)
        self._jobs = self._counter("jobs", "Jobs that ended.", "status")

    def count_request(self, method: str, path: str, status: int, spent_s: Seconds, code: str | None) -> None:
        """A response went out.

        Args:
            method: of the request.
            path: the route's template, so that there are as many values as routes.
            status: of the response.
            spent_s: on it.
            code: of the problem document, if it is one.
        """
        self._requests.labels(method, path, str(status)).inc()
        self._seconds.labels(path).observe(spent_s)
        if code is not None:
            self._rejected.labels(code).inc()

    def count_recording(self, duration_s: Seconds, timings_ms: Mapping[str, float]) -> None:
        """A recording was answered."""
        for stage, spent_ms in timings_ms.items():
            self._stages.labels(stage).observe(spent_ms / 1_000)
        self._audio.inc(duration_s)
        if duration_s and "total" in timings_ms:
            self._factor.observe(timings_ms["total"] / 1_000 / duration_s)

    def count_batch(self, requests: int) -> None:
        """The network was asked once for so many requests."""
        self._batches.observe(requests)

    def count_job(self, status: str) -> None:
        """A job ended."""
        self._jobs.labels(status).inc()

    def name_model(self, **facts: str) -> None:
        """Which weights, provider and aligner answer."""
        Info("can_model", "What answers.", registry=self._registry).info(facts)

    def watch(self, name: str, text: str, read: Callable[[], float], **labels: str) -> None:
        """A gauge that is read when somebody looks."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(f"can_{name}", text, list(labels), registry=self._registry)
        (gauge.labels(**labels) if labels else gauge).set_function(read)

    def write(self) -> bytes:
        """All of it, as text."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"can_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"can_{name}", text, labels, buckets=buckets, registry=self._registry)
