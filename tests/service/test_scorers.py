"""Processes that score recordings which bring their words. That they answer as threads do is in test_parallel."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import psutil
import pytest

from alignment.errors import DecodingAbandonedError, UndecodableAudioError
from alignment.mfcc import compute_bases
from alignment.words import TimedWord
from model.bundle import Bundle
from service.analysis import AnalysisRequest
from service.errors import ScorerFailedError
from service.scorer_process import GivenRecording, ScoredRecording
from service.scorers import MAX_BYTES, Asked, Scorers
from service.settings import BatchSettings, Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import Served, serve

WORDS = AnalysisRequest(words=(TimedWord("the", 0.1, 0.3, "given"), TimedWord("children", 0.4, 0.8, "given")))
WORDS_JSON = '[{"word": "the", "start": 0.1, "end": 0.3}]'
WAV = encode(noise(1.0))
LONG_WAV = encode(noise(17.0), subtype="FLOAT")


class Deadly:
    """Kills the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


def ask(
    data: Any = WAV, request: AnalysisRequest = WORDS, *, abandoned: bool = False, queued: list[float] | None = None
) -> Asked:
    return Asked(
        # As a file, it can be read once.
        recording=iter([GivenRecording(data, request)]).__next__,
        conclude=lambda scored: scored,
        abandoned=lambda: abandoned,
        queued=([] if queued is None else queued).append,
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


@pytest.fixture(scope="module")
def scorers(tiny_bundle: Bundle, strangers: set[int]) -> Iterator[Scorers]:
    settings = Settings(bundle=str(tiny_bundle.folder), aligner="pocketsphinx", scorers=1)
    made = Scorers(settings, lambda _: None)
    mfcc = tiny_bundle.config.features.mfcc
    made.start(mfcc, compute_bases(mfcc))
    yield made
    made.close()


def test_a_recording_is_scored(scorers: Scorers) -> None:
    queued: list[float] = []
    scored = scorers.submit(ask(queued=queued)).result(60)
    assert isinstance(scored, ScoredRecording)
    assert set(scored.timings_ms) == {"decode", "align", "features", "classify"}
    analysis = scored.findings.finish(scored.timings_ms)
    assert [word.word for word in analysis.utterances[0].utterance.words] == ["the", "children"]
    assert analysis.probabilities.sum() == pytest.approx(1.0)
    assert len(queued) == 1
    assert queued[0] >= 0.0


def test_one_that_cannot_be_used_takes_nobody_with_it(scorers: Scorers) -> None:
    futures = [scorers.submit(ask(data)) for data in (WAV, b"no sound", WAV)]
    first, second, third = (future.result(60) for future in futures)
    assert isinstance(first, ScoredRecording)
    assert isinstance(third, ScoredRecording)
    assert isinstance(second, UndecodableAudioError)


def test_nobody_works_for_one_who_has_gone(scorers: Scorers) -> None:
    assert isinstance(scorers.submit(ask(Deadly(), abandoned=True)).result(60), DecodingAbandonedError)


def test_one_that_brings_down_its_process_takes_nobody_with_it(scorers: Scorers) -> None:
    futures = [scorers.submit(ask(data)) for data in (WAV, Deadly(), WAV, WAV)]
    with pytest.raises(ScorerFailedError, match="died twice"):
        futures[1].result(120)
    assert all(isinstance(futures[index].result(120), ScoredRecording) for index in (0, 2, 3))


def test_a_process_that_is_killed_is_replaced(scorers: Scorers, strangers: set[int]) -> None:
    assert isinstance(scorers.submit(ask()).result(60), ScoredRecording)
    [process] = (child for child in children() if child.pid not in strangers)
    process.kill()
    process.wait(20)
    assert isinstance(scorers.submit(ask()).result(60), ScoredRecording)


@pytest.fixture(scope="module")
def served(tiny_bundle: Bundle) -> Iterator[Served]:
    settings = Settings(
        bundle=str(tiny_bundle.folder), log_level="error", batch=BatchSettings(max_requests=2), scorers=1
    )
    with serve(settings, FakeAligner()) as running:
        yield running


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """What goes to the scorers."""
    seen: list[Asked] = []
    submit = Scorers.submit

    def note(self: Scorers, asked: Asked) -> Any:
        seen.append(asked)
        return submit(self, asked)

    monkeypatch.setattr(Scorers, "submit", note)
    return seen


def predict(served: Served, data: bytes, **fields: str) -> dict[str, Any]:
    answer = served.client.post("/predict", files={"file": data}, data={"words": WORDS_JSON, **fields})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_lone_request_stays_in_this_process(served: Served, taken: list[Asked]) -> None:
    predict(served, WAV)
    assert not taken


def test_several_are_scored_beside_it_and_say_how_long_each_stage_took(served: Served, taken: list[Asked]) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(partial(predict, served), [WAV] * 64))
    assert taken
    for answer in answers:
        assert set(answer["timings_ms"]) == {"queue", "decode", "align", "features", "classify", "total"}
    metrics = served.client.get("/metrics").text
    assert 'can_queue_depth{stage="score"} 0.0' in metrics


def test_large_ones_and_streams_of_events_stay_in_this_process(served: Served, taken: list[Asked]) -> None:
    assert len(LONG_WAV) > MAX_BYTES
    events = partial(served.client.post, "/predict", headers={"accept": "text/event-stream"})
    with ThreadPoolExecutor(8) as pool:
        large = [pool.submit(predict, served, LONG_WAV) for _ in range(8)]
        streams = [pool.submit(events, files={"file": WAV}, data={"words": WORDS_JSON}) for _ in range(8)]
        assert all(future.result()["emotion"] for future in large)
        assert all("event: result" in future.result().text for future in streams)
    assert not taken


def test_stopping_ends_the_processes(tiny_bundle: Bundle) -> None:
    before = {child.pid for child in children()}
    settings = Settings(bundle=str(tiny_bundle.folder), log_level="error", scorers=2)
    with serve(settings, FakeAligner()):
        mine = [child for child in children() if child.pid not in before]
        assert len(mine) == 2
    _, alive = psutil.wait_procs(mine, timeout=20)
    assert not alive


def test_ctrl_c_is_left_to_the_parent(scorers: Scorers, strangers: set[int]) -> None:
    """A terminal sends it to all of them; those who were accepted are still answered."""
    assert isinstance(scorers.submit(ask()).result(60), ScoredRecording)
    for child in children():
        if child.pid not in strangers:
            child.send_signal(signal.SIGINT)
    assert isinstance(scorers.submit(ask()).result(60), ScoredRecording)
