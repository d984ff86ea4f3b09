"""Processes that score recordings which bring their words. That they answer as threads do is in test_parallel."""

import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from alignment.errors import DecodingAbandonedError, UndecodableAudioError
from alignment.features.mfcc import compute_bases
from alignment.transcripts.words import TimedWord
from model.bundle import Bundle, read_bundle
from model.errors import BundleDamagedError
from service.errors import WorkerFailedError
from service.inference.result import AnalysisRequest, ResultBuilder
from service.inference.worker import WorkerInput, WorkerOutput
from service.inference.worker_pool import MAX_BYTES, InferenceWorkerPool, Task
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
    """Keeps the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return signal.pause, ()


def ask(
    data: Any = WAV, request: AnalysisRequest = WORDS, *, abandoned: bool = False, waited: list[float] | None = None
) -> Task:
    return Task(
        # As a file, it can be read once.
        read=iter([WorkerInput(data, request)]).__next__,
        conclude=lambda scored: scored,
        abandoned=lambda: abandoned,
        taken=([] if waited is None else waited).append,
    )


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


def found(answer: Any) -> ResultBuilder:
    assert isinstance(answer, WorkerOutput), answer
    assert isinstance(answer.found, ResultBuilder), answer.found
    return answer.found


def test_a_recording_is_scored(scorers: InferenceWorkerPool) -> None:
    waited: list[float] = []
    scored = scorers.submit(ask(waited=waited)).result(60)
    assert [each.stage for each in scored.stages] == ["decode", "align", "features", "classify"]
    assert all(each.spent_s > 0 for each in scored.stages)
    ends = [each.ended_ns for each in scored.stages]
    assert ends == sorted(ends)
    analysis = found(scored).finish({})
    assert [word.word for word in analysis.utterances[0].utterance.words] == ["the", "children"]
    assert analysis.probabilities.sum() == pytest.approx(1.0)
    assert len(waited) == 1
    assert waited[0] >= 0.0


def test_one_that_cannot_be_used_takes_nobody_with_it(scorers: InferenceWorkerPool) -> None:
    futures = [scorers.submit(ask(data)) for data in (WAV, b"no sound", WAV)]
    first, second, third = (future.result(60) for future in futures)
    assert found(first)
    assert found(third)
    assert isinstance(second.found, UndecodableAudioError)
    assert [each.stage for each in second.stages] == ["decode"]


def test_nobody_works_for_one_who_has_gone(scorers: InferenceWorkerPool) -> None:
    assert isinstance(scorers.submit(ask(Deadly(), abandoned=True)).exception(60), DecodingAbandonedError)


def refusal_among_others(scorers: InferenceWorkerPool, odd: Any, count: int) -> str:
    """What is said of the tenth recording, `odd`; all others, in its batch, its process or neither, are scored."""
    futures = [scorers.submit(ask(odd if number == 9 else WAV)) for number in range(count)]
    answers = [future.exception(120) or future.result() for future in futures]
    scorers.close()
    assert all(found(answer) for number, answer in enumerate(answers) if number != 9)
    assert isinstance(answers[9], WorkerFailedError)
    return str(answers[9])


def test_one_that_brings_down_its_process_takes_nobody_with_it(tiny_bundle: Bundle) -> None:
    assert "16-bit wav" in refusal_among_others(started(tiny_bundle, 2), Deadly(), 40)


def test_one_that_keeps_its_process_takes_nobody_with_it(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.inference.worker_pool._LIMIT_S", 8.0)
    assert "longer than 16 s" in refusal_among_others(started(tiny_bundle, 1), Endless(), 12)


def test_what_keeps_them_from_starting_is_said(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(WorkerFailedError, match="another one than was loaded; start the service anew"):
        started(tiny_bundle, 1, version="another")
    shutil.copytree(tiny_bundle.folder, tmp_path / "bundle")
    damaged = read_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / "vocabulary.txt").write_text("another", encoding="utf-8")
    with pytest.raises(BundleDamagedError):
        started(damaged, 1)


def test_a_process_that_is_killed_is_replaced(scorers: InferenceWorkerPool, strangers: set[int]) -> None:
    assert found(scorers.submit(ask()).result(60))
    wait_until(lambda: len([child for child in children() if child.pid not in strangers]) == 1)
    [process] = (child for child in children() if child.pid not in strangers)
    process.kill()
    process.wait(20)
    assert found(scorers.submit(ask()).result(60))


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

    def note(self: InferenceWorkerPool, asked: Task) -> Any:
        seen.append(asked)
        return submit(self, asked)

    monkeypatch.setattr(InferenceWorkerPool, "submit", note)
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


def test_one_that_proves_to_be_long_is_scored_in_this_process(served: Served, taken: list[Task]) -> None:
    """An hour of silence is a few kilobytes of flac."""
    long = encode(np.append(noise(1.0), np.zeros(16_000 * 65, np.float32)), container="FLAC")
    assert len(long) < MAX_BYTES
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(partial(predict, served), [long] * 8))
    assert taken
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
    assert found(scorers.submit(ask()).result(60))
    for child in children():
        if child.pid not in strangers:
            child.send_signal(signal.SIGINT)
    assert found(scorers.submit(ask()).result(60))
