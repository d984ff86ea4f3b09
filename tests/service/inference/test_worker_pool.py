"""Worker processes for recordings with given words; test_parallel.py compares their results with those of threads."""

import io
import json
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
import pytest

from alignment.errors import DecodingAbandonedError, UndecodableAudioError
from alignment.transcripts.words import TimedWord
from model.bundle import CARD, VOCABULARY, Bundle, read_bundle
from model.bundle_files import write_sums
from model.errors import BundleDamagedError
from service.errors import ScorersUnavailableError, WorkerFailedError
from service.inference.admission import RequestContext
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.inference.worker_pool import MAX_OCCLUDED_WORDS, InferenceWorkerPool, Task, Upload, is_small
from service.observability.stopwatch import Stopwatch
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import predict_with_words, run_server
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

WORDS = AnalysisRequest(words=(TimedWord("the", 0.1, 0.3, "given"), TimedWord("children", 0.4, 0.8, "given")))
WAV = encode(noise(1.0))


class Crash:
    """Kills the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


class Hang:
    """Blocks the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return signal.pause, ()


class OneTimeFile:
    """File that can be read once, and may hold an object that harms the process that unpickles it."""

    def __init__(self, content: Any) -> None:
        self._content = iter([content])

    def read(self) -> Any:
        """Return the content."""
        return next(self._content)


Stages = list[tuple[str, float, int]]


def make_task(
    data: Any = WAV, request: AnalysisRequest = WORDS, *, cancelled: bool = False, stages: Stages | None = None
) -> Task:
    def record(*stage: Any) -> None:
        if stages is not None and stage[0] != "queue":
            stages.append(stage)

    context = RequestContext(Stopwatch({"queue": 0.0}, record), cancelled=cancelled)
    upload = Upload(cast("Any", OneTimeFile(data)), None)
    return Task(upload, request, context)


def worker_processes(excluded: set[int] | None = None) -> list[psutil.Process]:
    """Running worker processes of this process, without those of the excluded ids."""
    processes = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if "spawn_main" in " ".join(child.cmdline()) and child.pid not in (excluded or ()):
                processes.append(child)
    return processes


@pytest.fixture(scope="module")
def other_workers() -> set[int]:
    """Ids of worker processes of other tests."""
    return {process.pid for process in worker_processes()}


def start_pool(bundle: Bundle, count: int, **changes: Any) -> InferenceWorkerPool:
    pool = InferenceWorkerPool(
        Settings(bundle=str(bundle.folder), aligner="pocketsphinx", scorers=count), lambda _: None
    )
    with ExitStack() as undo:
        undo.callback(pool.close)
        pool.start(**{"version": bundle.version, **changes})
        undo.pop_all()
    return pool


@pytest.fixture(scope="module")
def workers(tiny_bundle: Bundle, other_workers: set[int]) -> Iterator[InferenceWorkerPool]:
    pool = start_pool(tiny_bundle, 1)
    yield pool
    pool.close()


def test_recording_is_scored(workers: InferenceWorkerPool) -> None:
    stages: Stages = []
    task = make_task(stages=stages)
    analysis = workers.submit(task).result(60).finish({})
    assert [stage for stage, _, _ in stages] == ["decode", "align", "features", "classify"]
    assert all(spent_s > 0 for _, spent_s, _ in stages)
    ends = [ended_ns for _, _, ended_ns in stages]
    assert ends == sorted(ends)
    assert [word.word for word in analysis.utterances[0].utterance.words] == ["the", "children"]
    assert analysis.probabilities.sum() == pytest.approx(1.0)
    assert task.context.queued_s > 0


def test_effects_of_words_are_those_of_the_engine(workers: InferenceWorkerPool, tiny_bundle: Bundle) -> None:
    request = WORDS.model_copy(update={"explain": "occlusion"})
    engine = EmotionEngine(Settings(bundle=str(tiny_bundle.folder)), aligner=FakeAligner())
    plain, occluded = [workers.submit(make_task(request=each)) for each in (WORDS, request)]
    [alone] = engine.analyse(WAV, request).utterances
    [scored] = occluded.result(60).finish({}).utterances
    assert plain.result(60).finish({}).utterances[0].scores.effects is None
    assert scored.scores.effects is not None
    assert alone.scores.effects is not None
    np.testing.assert_allclose(scored.scores.effects.text, alone.scores.effects.text, atol=1e-5)
    np.testing.assert_allclose(scored.scores.effects.audio, alone.scores.effects.audio, atol=1e-5)


def test_long_occlusion_stays_in_this_process() -> None:
    words = tuple(TimedWord("the", 0.1 * i, 0.1 * i + 0.05, "given") for i in range(MAX_OCCLUDED_WORDS + 1))
    upload = Upload(io.BytesIO(WAV), len(WAV))
    assert is_small(upload, AnalysisRequest(words=words))
    assert not is_small(upload, AnalysisRequest(words=words, explain="occlusion"))
    assert is_small(upload, AnalysisRequest(words=words[1:], explain="occlusion"))


def test_invalid_recording_does_not_affect_its_batch(workers: InferenceWorkerPool) -> None:
    stages: Stages = []
    first, second, third = [
        workers.submit(make_task(data, stages=stages if data == b"no audio" else None))
        for data in (WAV, b"no audio", WAV)
    ]
    assert first.result(60).finish({}).utterances
    assert third.result(60).finish({}).utterances
    with pytest.raises(UndecodableAudioError):
        second.result(60)
    assert [stage for stage, _, _ in stages] == ["decode"]


def test_cancelled_request_is_not_scored(workers: InferenceWorkerPool) -> None:
    with pytest.raises(DecodingAbandonedError):
        workers.submit(make_task(Crash(), cancelled=True)).result(60)


def error_of_harmful(workers: InferenceWorkerPool, harmful: Any, count: int) -> str:
    """Submit `harmful` as the tenth recording; return its error and check that all others are scored."""
    futures = [workers.submit(make_task(harmful if number == 9 else WAV)) for number in range(count)]
    others = [future.result(120) for number, future in enumerate(futures) if number != 9]
    error = futures[9].exception(120)
    workers.close()
    assert all(other.finish({}).utterances for other in others)
    assert isinstance(error, WorkerFailedError)
    return str(error)


def test_recording_that_kills_its_process_does_not_affect_others(tiny_bundle: Bundle) -> None:
    assert "16-bit wav" in error_of_harmful(start_pool(tiny_bundle, 2), Crash(), 40)


def test_recording_that_blocks_its_process_does_not_affect_others(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.inference.worker_pool._LIMIT_S", 2.0)
    assert "longer than 4 s" in error_of_harmful(start_pool(tiny_bundle, 1), Hang(), 12)


def test_failed_start_is_reported(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ScorersUnavailableError) as changed:
        start_pool(tiny_bundle, 1, version="another")
    assert changed.value.reason == "the bundle on disk has changed since the service loaded it"
    shutil.copytree(tiny_bundle.folder, tmp_path / "bundle")
    damaged = read_bundle(tmp_path / "bundle")
    vocabulary = tmp_path / "bundle" / "vocabulary.txt"
    vocabulary.write_text("another", encoding="utf-8")
    with pytest.raises(BundleDamagedError) as refused:
        start_pool(damaged, 1)
    assert refused.value.path == vocabulary


def test_killed_process_is_replaced(workers: InferenceWorkerPool, other_workers: set[int]) -> None:
    assert workers.submit(make_task()).result(60).finish({}).utterances
    wait_until(lambda: len(worker_processes(other_workers)) == 1)
    [process] = worker_processes(other_workers)
    process.kill()
    process.wait(20)
    assert workers.submit(make_task()).result(60).finish({}).utterances
    assert process.pid not in {each.pid for each in worker_processes(other_workers)}


def change_bundle(folder: Path, *, valid: bool) -> None:
    """Replace the weights under a running service, by others or by damaged ones."""
    name = CARD if valid else VOCABULARY
    (folder / name).write_text("another", encoding="utf-8")
    if valid:
        write_sums(folder)


def kill_workers(others: set[int]) -> None:
    killed = worker_processes(others)
    for process in killed:
        process.kill()
    psutil.wait_procs(killed, timeout=20)


@pytest.mark.parametrize(("valid", "reason"), [(True, "has changed"), (False, "checksum")])
def test_bundle_that_changes_on_disk_is_no_fault_of_recordings(
    tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], valid: bool, reason: str
) -> None:
    """Threads score the recordings; the log and the readiness state the fault, and no worker process is used again."""
    folder = Path(shutil.copytree(tiny_bundle.folder, tmp_path / "bundle"))
    others = {process.pid for process in worker_processes()}
    with run_server(Settings(bundle=str(folder), scorers=1, log_level="error"), FakeAligner()) as running:
        with ThreadPoolExecutor(16) as pool:
            before = list(pool.map(partial(predict_with_words, running), [WAV] * 16))
        assert running.client.get("/health/ready").status_code == 200
        change_bundle(folder, valid=valid)
        kill_workers(others)
        with ThreadPoolExecutor(16) as pool:
            after = list(pool.map(partial(predict_with_words, running), [WAV] * 32))
        assert {result["emotion"] for result in after} == {result["emotion"] for result in before}
        assert reason in running.state.scheduler.trouble
        ready = running.client.get("/health/ready")
        assert (ready.status_code, ready.json()["code"]) == (503, "not-ready")
        assert reason in ready.json()["detail"]
        assert predict_with_words(running, WAV)["emotion"]
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "cannot score" in line]
    assert (line["level"], line["event"]) == ("error", "worker processes cannot score")
    assert reason in line["detail"]


def test_recording_that_breaks_a_process_is_told_from_a_broken_pool(tiny_bundle: Bundle) -> None:
    pool = start_pool(tiny_bundle, 1)
    try:
        assert isinstance(pool.submit(make_task(Crash())).exception(120), WorkerFailedError)
        assert not pool.trouble
        assert pool.submit(make_task()).result(60).finish({}).utterances
    finally:
        pool.close()


def test_stopping_ends_the_processes(tiny_bundle: Bundle) -> None:
    before = {process.pid for process in worker_processes()}
    settings = Settings(bundle=str(tiny_bundle.folder), log_level="error", scorers=2)
    with run_server(settings, FakeAligner()):
        started = worker_processes(before)
        assert len(started) == 2
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGHUP])
def test_workers_ignore_signals_of_a_terminal(
    workers: InferenceWorkerPool, other_workers: set[int], sent: signal.Signals
) -> None:
    """A terminal sends its signals to all processes; the parent still completes accepted requests."""
    assert workers.submit(make_task()).result(60).finish({}).utterances
    processes = worker_processes(other_workers)
    for process in processes:
        process.send_signal(sent)
    assert workers.submit(make_task()).result(60).finish({}).utterances
    assert worker_processes(other_workers) == processes != []
