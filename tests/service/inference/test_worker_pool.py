"""Processes that score recordings which bring their words. That they answer as threads do is in test_parallel."""

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
from alignment.features.mfcc import compute_bases
from alignment.transcripts.words import TimedWord
from model.bundle import Bundle, read_bundle
from model.errors import BundleDamagedError
from service.errors import WorkerFailedError
from service.inference.admission import RequestContext
from service.inference.request import AnalysisRequest
from service.inference.worker_pool import MAX_BYTES, InferenceWorkerPool, Task, Upload
from service.observability.stopwatch import Stopwatch
from service.settings import BatchSettings, Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import Served, serve
from tests.waiting import wait_until

WORDS = AnalysisRequest(words=(TimedWord("the", 0.1, 0.3, "given"), TimedWord("children", 0.4, 0.8, "given")))
WORDS_JSON = '[{"word": "the", "start": 0.1, "end": 0.3}]'
WAV = encode(noise(1.0))
LONG_WAV = encode(noise(17.0), subtype="FLOAT")


class Deadly:
    """Kills the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


class Endless:
    """Blocks the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return signal.pause, ()


class Recording:
    """A file that can be read once, and may hold an object that harms its reader."""

    def __init__(self, content: Any) -> None:
        self._content = iter([content])

    def read(self) -> Any:
        """The content."""
        return next(self._content)


def make_task(data: Any = WAV, request: AnalysisRequest = WORDS, *, cancelled: bool = False) -> Task:
    context = RequestContext(Stopwatch({"queue": 0.0}), cancelled=cancelled)
    return Task(Upload(cast("Any", Recording(data)), None), request, context)


def children() -> list[psutil.Process]:
    """Workers of this process; one that has ended in between is none."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


@pytest.fixture(scope="module")
def strangers() -> set[int]:
    """Processes that other tests have left running."""
    return {child.pid for child in children()}


def started(bundle: Bundle, count: int, **changes: Any) -> InferenceWorkerPool:
    made = InferenceWorkerPool(
        Settings(bundle=str(bundle.folder), aligner="pocketsphinx", scorers=count), lambda _: None
    )
    mfcc = bundle.config.features.mfcc
    with ExitStack() as undo:
        undo.callback(made.close)
        made.start(**{"version": bundle.version, "config": mfcc, "bases": compute_bases(mfcc), **changes})
        undo.pop_all()
    return made


@pytest.fixture(scope="module")
def scorers(tiny_bundle: Bundle, strangers: set[int]) -> Iterator[InferenceWorkerPool]:
    made = started(tiny_bundle, 1)
    yield made
    made.close()


def test_recording_is_scored(scorers: InferenceWorkerPool) -> None:
    task = make_task()
    output = scorers.submit(task).result(60)
    assert [each.stage for each in output.stages] == ["decode", "align", "features", "classify"]
    assert all(each.spent_s > 0 for each in output.stages)
    ends = [each.ended_ns for each in output.stages]
    assert ends == sorted(ends)
    analysis = output.unwrap().finish({})
    assert [word.word for word in analysis.utterances[0].utterance.words] == ["the", "children"]
    assert analysis.probabilities.sum() == pytest.approx(1.0)
    assert task.context.queued_s > 0


def test_invalid_recording_does_not_affect_its_batch(scorers: InferenceWorkerPool) -> None:
    futures = [scorers.submit(make_task(data)) for data in (WAV, b"no sound", WAV)]
    first, second, third = (future.result(60) for future in futures)
    assert first.unwrap().finish({}).utterances
    assert third.unwrap().finish({}).utterances
    with pytest.raises(UndecodableAudioError):
        second.unwrap()
    assert [each.stage for each in second.stages] == ["decode"]


def test_cancelled_request_is_not_scored(scorers: InferenceWorkerPool) -> None:
    with pytest.raises(DecodingAbandonedError):
        scorers.submit(make_task(Deadly(), cancelled=True)).result(60)


def refusal_among_others(scorers: InferenceWorkerPool, odd: Any, count: int) -> str:
    """Error of the tenth recording, `odd`; all others, in its batch, its process or neither, are scored."""
    futures = [scorers.submit(make_task(odd if number == 9 else WAV)) for number in range(count)]
    others = [future.result(120) for number, future in enumerate(futures) if number != 9]
    error = futures[9].exception(120)
    scorers.close()
    assert all(other.unwrap().finish({}).utterances for other in others)
    assert isinstance(error, WorkerFailedError)
    return str(error)


def test_recording_that_kills_its_process_does_not_affect_others(tiny_bundle: Bundle) -> None:
    assert "16-bit wav" in refusal_among_others(started(tiny_bundle, 2), Deadly(), 40)


def test_recording_that_blocks_its_process_does_not_affect_others(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.inference.worker_pool._LIMIT_S", 2.0)
    assert "longer than 4 s" in refusal_among_others(started(tiny_bundle, 1), Endless(), 12)


def test_failed_start_is_reported(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(WorkerFailedError) as changed:
        started(tiny_bundle, 1, version="another")
    assert str(changed.value) == (
        "a worker process failed: the bundle on disk has changed since the service loaded it; restart the service"
    )
    shutil.copytree(tiny_bundle.folder, tmp_path / "bundle")
    damaged = read_bundle(tmp_path / "bundle")
    vocabulary = tmp_path / "bundle" / "vocabulary.txt"
    vocabulary.write_text("another", encoding="utf-8")
    with pytest.raises(BundleDamagedError) as refused:
        started(damaged, 1)
    assert refused.value.path == vocabulary


def test_a_process_that_is_killed_is_replaced(scorers: InferenceWorkerPool, strangers: set[int]) -> None:
    assert scorers.submit(make_task()).result(60).unwrap()
    wait_until(lambda: len([child for child in children() if child.pid not in strangers]) == 1)
    [process] = (child for child in children() if child.pid not in strangers)
    process.kill()
    process.wait(20)
    assert scorers.submit(make_task()).result(60).unwrap()


@pytest.fixture(scope="module")
def served(tiny_bundle: Bundle) -> Iterator[Served]:
    settings = Settings(
        bundle=str(tiny_bundle.folder), log_level="error", batch=BatchSettings(max_requests=2), scorers=1
    )
    with serve(settings, FakeAligner()) as running:
        yield running


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """What goes to the scorers."""
    seen: list[Task] = []
    submit = InferenceWorkerPool.submit

    def record(self: InferenceWorkerPool, task: Task) -> Any:
        seen.append(task)
        return submit(self, task)

    monkeypatch.setattr(InferenceWorkerPool, "submit", record)
    return seen


def predict(served: Served, data: bytes, **fields: str) -> dict[str, Any]:
    answer = served.client.post("/predict", files={"file": data}, data={"words": WORDS_JSON, **fields})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_lone_request_stays_in_this_process(served: Served, taken: list[Task]) -> None:
    predict(served, WAV)
    assert not taken


def test_several_are_scored_beside_it_and_say_how_long_each_stage_took(served: Served, taken: list[Task]) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(partial(predict, served), [WAV] * 64))
    assert taken
    for answer in answers:
        stages = answer["timings_ms"]
        assert set(stages) == {"queue", "decode", "align", "features", "classify", "total"}
        assert sum(stages.values()) == pytest.approx(2 * stages["total"], rel=0.2, abs=2.0)
    metrics = served.client.get("/metrics").text
    assert 'can_queue_depth{stage="score"} 0.0' in metrics


def test_large_ones_and_streams_of_events_stay_in_this_process(served: Served, taken: list[Task]) -> None:
    assert len(LONG_WAV) > MAX_BYTES
    events = partial(served.client.post, "/predict", headers={"accept": "text/event-stream"})
    with ThreadPoolExecutor(8) as pool:
        large = [pool.submit(predict, served, LONG_WAV) for _ in range(8)]
        streams = [pool.submit(events, files={"file": WAV}, data={"words": WORDS_JSON}) for _ in range(8)]
        assert all(future.result()["emotion"] for future in large)
        assert all("event: result" in future.result().text for future in streams)
    assert not taken


def test_recordings_with_late_words_stay_in_this_process(served: Served, taken: list[Task]) -> None:
    """An hour of silence is a few kilobytes of flac; its words decide where it is scored."""
    long = encode(np.append(noise(1.0), np.zeros(16_000 * 65, np.float32)), container="FLAC")
    assert len(long) < MAX_BYTES
    late = '[{"word": "the", "start": 0.1, "end": 0.3}, {"word": "end", "start": 65.0, "end": 65.5}]'
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(partial(predict, served, words=late), [long] * 8))
    assert not taken
    assert {answer["audio"]["duration_s"] for answer in answers} == {66.0}


def test_stopping_ends_the_processes(tiny_bundle: Bundle) -> None:
    before = {child.pid for child in children()}
    settings = Settings(bundle=str(tiny_bundle.folder), log_level="error", scorers=2)
    with serve(settings, FakeAligner()):
        mine = [child for child in children() if child.pid not in before]
        assert len(mine) == 2
    _, alive = psutil.wait_procs(mine, timeout=20)
    assert not alive


def test_ctrl_c_is_left_to_the_parent(scorers: InferenceWorkerPool, strangers: set[int]) -> None:
    """A terminal sends it to all of them; those who were accepted are still answered."""
    assert scorers.submit(make_task()).result(60).unwrap()
    for child in children():
        if child.pid not in strangers:
            child.send_signal(signal.SIGINT)
    assert scorers.submit(make_task()).result(60).unwrap()
