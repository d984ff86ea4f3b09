"""Which requests are scored by worker processes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import pytest

from model.bundle import Bundle
from service.inference.worker_pool import MAX_BYTES, InferenceWorkerPool, Task
from service.setting_groups import BatchSettings
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import WORDS_JSON, RunningServer, predict_with_words, run_server

pytestmark = pytest.mark.slow

Tasks = list[Task]
WAV = encode(noise(1.0))
LARGE_WAV = encode(noise(17.0), subtype="FLOAT")


@pytest.fixture(scope="module")
def server(tiny_bundle: Bundle) -> Iterator[RunningServer]:
    settings = Settings(
        bundle=str(tiny_bundle.folder), log_level="error", batch=BatchSettings(max_requests=2), scorers=1
    )
    with run_server(settings, FakeAligner()) as running:
        yield running


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    """Tasks that are submitted to the worker processes."""
    tasks: Tasks = []
    submit = InferenceWorkerPool.submit

    def record(self: InferenceWorkerPool, task: Task) -> Any:
        tasks.append(task)
        return submit(self, task)

    monkeypatch.setattr(InferenceWorkerPool, "submit", record)
    return tasks


def test_single_request_stays_in_this_process(server: RunningServer, submitted: Tasks) -> None:
    predict_with_words(server, WAV)
    assert not submitted


def test_concurrent_requests_use_workers_and_report_stage_times(server: RunningServer, submitted: list[Task]) -> None:
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(partial(predict_with_words, server), [WAV] * 64))
    assert submitted
    shares = []
    for result in results:
        total_ms = result["timings_ms"].pop("total")
        assert set(result["timings_ms"]) == {"queue", "decode", "align", "features", "classify"}
        shares.append(sum(result["timings_ms"].values()) / total_ms)
    # Transfers between processes belong to no stage; how long they take depends on the load of the machine.
    assert max(shares) < 1.05
    assert median(shares) > 0.5
    metrics = server.client.get("/metrics").text
    assert 'can_queue_depth{stage="score"} 0.0' in metrics


def test_large_uploads_and_event_streams_stay_in_this_process(server: RunningServer, submitted: list[Task]) -> None:
    assert len(LARGE_WAV) > MAX_BYTES
    events = partial(server.client.post, "/predict", headers={"accept": "text/event-stream"})
    with ThreadPoolExecutor(8) as pool:
        large = [pool.submit(predict_with_words, server, LARGE_WAV) for _ in range(8)]
        streams = [pool.submit(events, files={"file": WAV}, data={"words": WORDS_JSON}) for _ in range(8)]
        assert all(future.result()["emotion"] for future in large)
        assert all("event: result" in future.result().text for future in streams)
    assert not submitted


def test_recordings_with_late_words_stay_in_this_process(server: RunningServer, submitted: Tasks) -> None:
    """A long silent recording is small as FLAC; the times of its words decide where it is scored."""
    long = encode(np.append(noise(1.0), np.zeros(16_000 * 65, np.float32)), container="FLAC")
    assert len(long) < MAX_BYTES
    late = '[{"word": "the", "start": 0.1, "end": 0.3}, {"word": "end", "start": 65.0, "end": 65.5}]'
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(partial(predict_with_words, server, words=late), [long] * 8))
    assert not submitted
    assert {result["audio"]["duration_s"] for result in results} == {66.0}
