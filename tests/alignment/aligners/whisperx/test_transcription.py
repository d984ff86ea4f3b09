"""Common batches of several recordings, with a recogniser that can be blocked."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from alignment.aligners.whisperx.aligner import Recognition, transcribe
from alignment.aligners.whisperx.recogniser import DecodingOptions, RecognitionInput
from alignment.batcher import Batcher
from alignment.errors import AlignerFailedError
from alignment.priority import Priority, at_priority
from tests.waiting import wait_until

BATCH_SIZE = 4


class FakeRecogniser:
    """Returns the first sample of a window as its text; fails for a negative one."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.running = 0

    def transcribe_many(self, inputs: Sequence[RecognitionInput]) -> list[str]:
        self.running += 1
        assert self.running == 1
        self.gate.wait(20)
        texts = [f"{each.samples[0]:g}" for each in inputs]
        self.batches.append(texts)
        self.running -= 1
        if any(text.startswith("-") for text in texts):
            raise AlignerFailedError("fake", "a negative sample")
        return texts


@pytest.fixture
def recogniser() -> FakeRecogniser:
    return FakeRecogniser()


@pytest.fixture
def recognition(recogniser: FakeRecogniser) -> Iterator[Recognition]:
    batcher = Batcher("test", recogniser.transcribe_many, max_items=BATCH_SIZE, linger_s=0.0)
    yield batcher
    batcher.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


def run(recognition: Recognition, *samples: float, batch_size: int = BATCH_SIZE, limit_s: float = 20) -> list[str]:
    inputs = [RecognitionInput(np.full(1, sample, np.float32), DecodingOptions("en")) for sample in samples]
    return transcribe(inputs, recognition, batch_size, limit_s)


def run_at(priority: Priority, recognition: Recognition, *samples: float) -> list[str]:
    with at_priority(priority):
        return run(recognition, *samples)


def wait_for_queue(recognition: Recognition, length: int) -> None:
    wait_until(lambda: recognition.waiting == length)


def block(
    pool: ThreadPoolExecutor, recognition: Recognition, recogniser: FakeRecogniser, *samples: float
) -> "Future[list[str]]":
    """Submit a recording that occupies the recogniser until its gate is set."""
    recogniser.gate.clear()
    future = pool.submit(run, recognition, *samples)
    wait_until(lambda: recogniser.running == 1)
    return future


def test_single_recording_is_processed_without_delay(recognition: Recognition, recogniser: FakeRecogniser) -> None:
    assert run(recognition, 1) == ["1"]
    assert recogniser.batches == [["1"]]


def test_windows_keep_their_order(recognition: Recognition) -> None:
    assert run(recognition, *range(10)) == [str(number) for number in range(10)]
    assert run(recognition) == []


def test_windows_of_several_recordings_share_batches(
    pool: ThreadPoolExecutor, recognition: Recognition, recogniser: FakeRecogniser
) -> None:
    first = block(pool, recognition, recogniser, 0)
    others = [pool.submit(run, recognition, number) for number in range(1, 6)]
    wait_until(lambda: recognition.waiting == 5)
    recogniser.gate.set()
    assert first.result(20) == ["0"]
    assert [future.result(20) for future in others] == [[str(number)] for number in range(1, 6)]
    assert [len(batch) for batch in recogniser.batches] == [1, 4, 1]


def test_windows_of_a_job_are_recognised_after_those_of_others(
    pool: ThreadPoolExecutor, recognition: Recognition, recogniser: FakeRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job's three windows wait; a request and a live utterance arrive, and share a batch with one of them."""
    # On a slow machine the job would otherwise have waited for long enough to count as a request.
    monkeypatch.setattr("alignment.priority.PATIENCE_S", 600.0)
    futures = [block(pool, recognition, recogniser, 0)]
    for priority, samples in ((Priority.BACKGROUND, (1, 2, 3)), (Priority.REQUEST, (4,)), (Priority.LIVE, (5,))):
        length = recognition.waiting + len(samples)
        futures.append(pool.submit(run_at, priority, recognition, *samples))
        wait_for_queue(recognition, length)
    recogniser.gate.set()
    assert [future.result(20) for future in futures] == [["0"], ["1", "2", "3"], ["4"], ["5"]]
    assert recogniser.batches == [["0"], ["5", "4", "1"], ["2", "3"]]


def test_failing_window_does_not_fail_its_neighbours(
    pool: ThreadPoolExecutor, recognition: Recognition, recogniser: FakeRecogniser
) -> None:
    futures = [block(pool, recognition, recogniser, 0)]
    futures += [pool.submit(run, recognition, number) for number in (1, -2, 3)]
    wait_until(lambda: recognition.waiting == 3)
    recogniser.gate.set()
    assert [futures[index].result(20) for index in (0, 1, 3)] == [["0"], ["1"], ["3"]]
    with pytest.raises(AlignerFailedError, match="negative"):
        futures[2].result(20)


def test_long_recording_queues_one_batch_at_a_time(
    pool: ThreadPoolExecutor, recognition: Recognition, recogniser: FakeRecogniser
) -> None:
    long = block(pool, recognition, recogniser, *range(1, 21))
    short = pool.submit(run, recognition, 99)
    wait_until(lambda: recognition.waiting >= 1)
    assert recognition.waiting <= BATCH_SIZE
    recogniser.gate.set()
    assert short.result(20) == ["99"]
    assert long.result(20) == [str(number) for number in range(1, 21)]
    assert max(len(batch) for batch in recogniser.batches) <= BATCH_SIZE
    assert any("99" in batch for batch in recogniser.batches[:3])


def test_deadline_cancels_queued_windows(
    pool: ThreadPoolExecutor, recognition: Recognition, recogniser: FakeRecogniser
) -> None:
    first = block(pool, recognition, recogniser, 0)
    with pytest.raises(AlignerFailedError, match=r"longer than 0.05 s"):
        run(recognition, 7, 8, limit_s=0.05)
    recogniser.gate.set()
    assert first.result(20) == ["0"]
    assert run(recognition, 9) == ["9"]
    assert recogniser.batches == [["0"], ["9"]]


def test_deadline_holds_while_a_window_is_recognised(recognition: Recognition, recogniser: FakeRecogniser) -> None:
    recogniser.gate.clear()
    with pytest.raises(AlignerFailedError, match="longer than 0.05 s"):
        run(recognition, 1, limit_s=0.05)
    recogniser.gate.set()
    assert run(recognition, 2) == ["2"]


def test_closing_fails_queued_recordings(
    pool: ThreadPoolExecutor, recognition: Recognition, recogniser: FakeRecogniser
) -> None:
    first = block(pool, recognition, recogniser, 0)
    queued = pool.submit(run, recognition, 1)
    wait_until(lambda: recognition.waiting == 1)
    recognition.close()
    recogniser.gate.set()
    assert first.result(20) == ["0"]
    with pytest.raises(AlignerFailedError, match="being closed"):
        queued.result(20)
    with pytest.raises(AlignerFailedError, match="being closed"):
        run(recognition, 2)


def test_unexpected_error_reaches_the_caller() -> None:
    def broken(_: Sequence[RecognitionInput]) -> list[str]:
        raise KeyError("a mistake")

    recognition: Recognition = Batcher("test", broken, linger_s=0.0)
    with pytest.raises(KeyError):
        run(recognition, 1)
    recognition.close()
