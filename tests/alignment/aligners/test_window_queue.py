import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from alignment.aligners.whisperx.recogniser import DecodingOptions, Window
from alignment.aligners.whisperx.window_queue import WindowQueue
from alignment.errors import AlignerFailedError
from tests.waiting import wait_until


class FakeRecogniser:
    """Hears the first sample of a window; may be held up; cannot hear negative ones."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.under_way = 0

    def transcribe_many(self, windows: Sequence[Window]) -> list[str]:
        self.under_way += 1
        assert self.under_way == 1
        self.gate.wait(20)
        texts = [f"{window.samples[0]:g}" for window in windows]
        self.batches.append(texts)
        self.under_way -= 1
        if any(text.startswith("-") for text in texts):
            raise AlignerFailedError("fake", "a negative sample")
        return texts


def windows(*samples: float) -> list[Window]:
    return [Window(np.full(1, sample, np.float32), DecodingOptions("en")) for sample in samples]


def test_alone() -> None:
    recogniser = FakeRecogniser()
    assert WindowQueue(recogniser.transcribe_many, 4, 20).transcribe(windows(1, 2)) == ["1", "2"]
    assert recogniser.batches == [["1", "2"]]


def test_what_gathers_meanwhile_is_heard_together() -> None:
    recogniser = FakeRecogniser()
    recogniser.gate.clear()
    queue = WindowQueue(recogniser.transcribe_many, 4, 20)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(queue.transcribe, windows(0))
        wait_until(lambda: recogniser.under_way == 1)
        others = [pool.submit(queue.transcribe, windows(number)) for number in range(1, 6)]
        wait_until(lambda: len(queue._waiting) == 5)
        recogniser.gate.set()
        assert first.result(20) == ["0"]
        assert [future.result(20) for future in others] == [[str(number)] for number in range(1, 6)]
    assert [len(batch) for batch in recogniser.batches] == [1, 4, 1]


def test_one_failure_is_not_its_neighbours() -> None:
    recogniser = FakeRecogniser()
    recogniser.gate.clear()
    queue = WindowQueue(recogniser.transcribe_many, 4, 20)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(queue.transcribe, windows(number)) for number in (0, 1, -2, 3)]
        wait_until(lambda: recogniser.under_way == 1 and len(queue._waiting) == 3)
        recogniser.gate.set()
        assert [futures[index].result(20) for index in (0, 1, 3)] == [["0"], ["1"], ["3"]]
        with pytest.raises(AlignerFailedError, match="negative"):
            futures[2].result(20)


def test_a_long_recording_lets_others_in() -> None:
    recogniser = FakeRecogniser()
    recogniser.gate.clear()
    queue = WindowQueue(recogniser.transcribe_many, 2, 20)
    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(queue.transcribe, windows(*range(10)))
        wait_until(lambda: recogniser.under_way == 1)
        short = pool.submit(queue.transcribe, windows(99))
        wait_until(lambda: len(queue._waiting) == 1)
        recogniser.gate.set()
        assert short.result(20) == ["99"]
        assert long.result(20) == [str(number) for number in range(10)]
    assert max(len(batch) for batch in recogniser.batches) == 2
    assert any("99" in batch for batch in recogniser.batches[:-1])


def test_who_waits_too_long_is_told_and_his_windows_are_dropped() -> None:
    recogniser = FakeRecogniser()
    recogniser.gate.clear()
    slow = WindowQueue(recogniser.transcribe_many, 4, 20)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow.transcribe, windows(0))
        wait_until(lambda: recogniser.under_way == 1)
        slow._limit_s = 0.05
        with pytest.raises(AlignerFailedError, match="longer than 0.05 s"):
            slow.transcribe(windows(7))
        recogniser.gate.set()
        assert first.result(20) == ["0"]
        slow._limit_s = 20
        assert slow.transcribe(windows(8)) == ["8"]
    assert recogniser.batches == [["0"], ["8"]]


def test_a_mistake_of_ours_leaves_nobody_waiting() -> None:
    def broken(_: Sequence[Window]) -> list[str]:
        raise KeyError("a mistake")

    queue = WindowQueue(broken, 4, 20)
    with pytest.raises(KeyError):
        queue.transcribe(windows(1))
