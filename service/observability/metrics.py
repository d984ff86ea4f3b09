"""Prometheus metrics; docker/grafana/dashboard.json displays them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import prometheus_client as prometheus

from alignment.timing import Seconds

_STAGE_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_FACTORS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)
WATCHED_BY_MACHINES: Final = ("/health/", "/metrics")
"""Paths that monitoring requests all the time; they are neither traced nor logged at level info."""
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters, histograms and gauges of one application, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = prometheus.CollectorRegistry()
        self._gauges: dict[str, prometheus.Gauge] = {}
        for collector in (prometheus.ProcessCollector, prometheus.PlatformCollector, prometheus.GCCollector):
            collector(registry=self._registry)
        self._requests = self._counter("requests", "Responses sent.", "method", "path", "status")
        self._seconds = self._histogram(
            "request_seconds", "Time from the first byte of a request to the last of its response.", _STAGE_S, "path"
        )
        self._rejected = self._counter("rejected", "Requests refused, by problem code.", "code")
        self._stages = self._histogram("stage_seconds", "Time of a recording in each stage.", _STAGE_S, "stage")
        self._batches = self._histogram("batch_requests", "Requests in one call of the network.", _SIZES)
        self._audio = self._counter("audio_seconds", "Duration of the analysed recordings.")
        self._bundles = self._counter("recordings", "Analysed recordings, by bundle.", "bundle")
        self._factor = self._histogram("real_time_factor", "Processing time per second of audio.", _FACTORS)
        self._jobs = self._counter("jobs", "Ended jobs.", "status")
        self._callbacks = self._counter("callbacks", "Attempts to send a callback.", "outcome")

    def count_request(self, method: str, path: str, status: int, spent_s: Seconds, code: str | None) -> None:
        """Count a response.

        Args:
            method: Method of the request.
            path: Template of the route, so that there are as many values as routes.
            status: Status of the response.
            spent_s: Time spent on it.
            code: Code of the problem document, if it is one.
        """
        self._requests.labels(method, path, str(status)).inc()
        self._seconds.labels(path).observe(spent_s)
        if code is not None:
            self._rejected.labels(code).inc()

    def count_recording(self, duration_s: Seconds, timings_ms: Mapping[str, float]) -> None:
        """Count an analysed recording."""
        for stage, spent_ms in timings_ms.items():
            self._stages.labels(stage).observe(spent_ms / 1_000)
        self._audio.inc(duration_s)
        if duration_s and "total" in timings_ms:
            self._factor.observe(timings_ms["total"] / 1_000 / duration_s)

    def count_bundles(self, names: Sequence[str]) -> None:
        """Count a recording for every bundle that scored it."""
        for name in names:
            self._bundles.labels(name).inc()

    def count_batch(self, requests: int) -> None:
        """Count a call of the network for a number of requests."""
        self._batches.observe(requests)

    def count_job(self, status: str) -> None:
        """Count an ended job."""
        self._jobs.labels(status).inc()

    def count_callback(self, outcome: str) -> None:
        """Count an attempt to send a callback: delivered, retried (later) or failed."""
        self._callbacks.labels(outcome).inc()

    def set_model_info(self, **facts: str) -> None:
        """Set the weights, provider and aligner that are served."""
        prometheus.Info("can_model", "Served weights, provider and aligner.", registry=self._registry).info(facts)

    def add_gauge(self, name: str, text: str, read: Callable[[], float], **labels: str) -> None:
        """Add a gauge that is read at every scrape."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = prometheus.Gauge(f"can_{name}", text, list(labels), registry=self._registry)
        (gauge.labels(**labels) if labels else gauge).set_function(read)

    def write(self) -> bytes:
        """All metrics in the text format."""
        return prometheus.generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> prometheus.Counter:
        return prometheus.Counter(f"can_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> prometheus.Histogram:
        return prometheus.Histogram(f"can_{name}", text, labels, buckets=buckets, registry=self._registry)
