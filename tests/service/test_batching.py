import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError

import pytest

from alignment.batcher import Batcher
from service.inference.admission import LoadEstimator
from tests.waiting import wait_until


class Doubler:
    """Doubles numbers in batches; may be held up; refuses 13."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[int]] = []

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.gate.wait(20)
        if 13 in numbers:
            raise ValueError("thirteen")
        return [2 * number for number in numbers]


def test_what_waits_while_the_worker_is_busy_becomes_one_batch() -> None:
    double = Doubler()
    batcher: Batcher[int, int] = Batcher("test", double, max_items=3)
    double.gate.clear()
    futures = [batcher.submit(0)]
    wait_until(lambda: double.batches == [[0]])
    futures += [batcher.submit(number) for number in range(1, 6)]
    double.gate.set()
    assert [future.result(20) for future in futures] == [0, 2, 4, 6, 8, 10]
    assert double.batches == [[0], [1, 2, 3], [4, 5]]
    batcher.close()


def test_it_waits_for_company_only_when_some_is_expected() -> None:
    double = Doubler()
    coming = 1
    batcher: Batcher[int, int] = Batcher("test", double, linger_s=20, pending=lambda: coming)
    first = batcher.submit(1)
    coming = 0
    assert batcher.submit(2).result(20) == 4
    assert first.result(20) == 2
    assert double.batches == [[1, 2]]
    assert batcher.submit(3).result(20) == 6
    batcher.close()


def test_one_that_fails_takes_nobody_with_it() -> None:
    double = Doubler()
    batcher: Batcher[int, int] = Batcher("test", double)
    double.gate.clear()
    futures = [batcher.submit(0)]
    wait_until(lambda: double.batches == [[0]])
    futures += [batcher.submit(number) for number in (1, 13, 2)]
    double.gate.set()
    assert [futures[index].result(20) for index in (0, 1, 3)] == [0, 2, 4]
    with pytest.raises(ValueError, match="thirteen"):
        futures[2].result(20)
    batcher.close()


def test_what_is_cancelled_before_its_turn_is_never_worked_on() -> None:
    double = Doubler()
    batcher: Batcher[int, int] = Batcher("test", double)
    double.gate.clear()
    first = batcher.submit(0)
    wait_until(lambda: double.batches == [[0]])
    batcher.submit(1).cancel()
    last = batcher.submit(2)
    double.gate.set()
    assert (first.result(20), last.result(20)) == (0, 4)
    assert double.batches == [[0], [2]]
    batcher.close()


def test_closing_cancels_what_waits() -> None:
    double = Doubler()
    batcher: Batcher[int, int] = Batcher("test", double)
    double.gate.clear()
    first = batcher.submit(0)
    wait_until(lambda: double.batches == [[0]])
    waiting = batcher.submit(1)
    batcher.close()
    double.gate.set()
    assert first.result(20) == 0
    with pytest.raises(CancelledError):
        waiting.result(20)
    assert batcher.submit(2).cancelled()


def test_the_pace_counts_work_and_not_idle_time() -> None:
    now = 0.0
    pace = LoadEstimator(lambda: now, first_guess_s=2.0)
    assert pace.retry_after_s(10) == 20
    for _ in range(200):
        now += 1_000.0
        pace.begin(0)
        now += 0.5
        pace.finish()
    assert pace.retry_after_s(10) == 6
    assert pace.retry_after_s(1) == 1
