import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError

import pytest

from alignment.batcher import Batcher
from service.inference.admission import LoadEstimator
from tests.waiting import wait_until


class Doubler:
    """Doubles the numbers of a batch; fails on 13, and blocks while `gate` is cleared."""

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


def test_queued_items_form_one_batch() -> None:
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


def test_batcher_lingers_only_for_pending_items() -> None:
    double = Doubler()
    pending = 1
    batcher: Batcher[int, int] = Batcher("test", double, linger_s=20, pending=lambda: pending)
    first = batcher.submit(1)
    pending = 0
    assert batcher.submit(2).result(20) == 4
    assert first.result(20) == 2
    assert double.batches == [[1, 2]]
    assert batcher.submit(3).result(20) == 6
    batcher.close()


def test_failed_item_does_not_affect_its_batch() -> None:
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


def test_cancelled_item_is_not_processed() -> None:
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


def test_close_cancels_queued_items() -> None:
    double = Doubler()
    batcher: Batcher[int, int] = Batcher("test", double)
    double.gate.clear()
    first = batcher.submit(0)
    wait_until(lambda: double.batches == [[0]])
    queued = batcher.submit(1)
    batcher.close()
    double.gate.set()
    assert first.result(20) == 0
    with pytest.raises(CancelledError):
        queued.result(20)
    assert batcher.submit(2).cancelled()


def test_load_estimate_excludes_idle_time() -> None:
    now = 0.0
    estimator = LoadEstimator(lambda: now, first_guess_s=2.0)
    assert estimator.retry_after_s(10) == 20
    for _ in range(200):
        now += 1_000.0
        estimator.begin(0)
        now += 0.5
        estimator.finish()
    assert estimator.retry_after_s(10) == 6
    assert estimator.retry_after_s(1) == 1
