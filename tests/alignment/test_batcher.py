import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, wait
from typing import NoReturn

import pytest

from alignment.batcher import Batcher
from alignment.priority import Priority, at_priority
from tests.waiting import wait_until


class Doubler:
    """Doubles numbers in batches; can be blocked. 13 and 99 raise, 7 gives an exception, 5 loses all results."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[int]] = []

    def __call__(self, numbers: Sequence[int]) -> list[int | BaseException]:
        self.batches.append(list(numbers))
        self.gate.wait(20)
        if 13 in numbers:
            raise ValueError("thirteen")
        if 99 in numbers:
            raise SystemExit
        if 5 in numbers:
            return []
        return [LookupError("seven") if number == 7 else 2 * number for number in numbers]


@pytest.fixture
def double() -> Doubler:
    return Doubler()


@pytest.fixture
def batcher(double: Doubler) -> Iterator[Batcher[int, int]]:
    made: Batcher[int, int] = Batcher("test", double, max_items=3)
    yield made
    made.close()


def submit_behind_batch(batcher: Batcher[int, int], double: Doubler, *numbers: int) -> list["Future[int]"]:
    """Submit numbers while the only worker is blocked by a batch of 0."""
    double.gate.clear()
    futures = [batcher.submit(0)]
    wait_until(lambda: double.batches == [[0]])
    futures += [batcher.submit(number) for number in numbers]
    return futures


def test_queued_items_form_batches(batcher: Batcher[int, int], double: Doubler) -> None:
    futures = submit_behind_batch(batcher, double, 1, 2, 3, 4, 6)
    assert batcher.waiting == 5
    double.gate.set()
    assert [future.result(20) for future in futures] == [0, 2, 4, 6, 8, 12]
    assert double.batches == [[0], [1, 2, 3], [4, 6]]


def test_worker_lingers_only_while_items_are_pending(double: Doubler) -> None:
    pending = 1
    batcher: Batcher[int, int] = Batcher("test", double, linger_s=20, pending=lambda: pending)
    first = batcher.submit(1)
    pending = 0
    assert batcher.submit(2).result(20) == 4
    assert first.result(20) == 2
    assert double.batches == [[1, 2]]
    assert batcher.submit(3).result(20) == 6
    batcher.close()


def test_on_batch_receives_the_size_of_each_batch(double: Doubler) -> None:
    sizes: list[int] = []
    batcher: Batcher[int, int] = Batcher("test", double, on_batch=sizes.append)
    futures = submit_behind_batch(batcher, double, 1, 2)
    double.gate.set()
    assert [future.result(20) for future in futures] == [0, 2, 4]
    assert sizes == [1, 2]
    batcher.close()


@pytest.mark.parametrize("failing", [13, 7])
def test_failing_item_does_not_affect_its_batch(batcher: Batcher[int, int], double: Doubler, failing: int) -> None:
    """Whether processing raises, or returns an exception as the item's result."""
    futures = submit_behind_batch(batcher, double, 1, failing, 2)
    double.gate.set()
    assert [futures[index].result(20) for index in (0, 1, 3)] == [0, 2, 4]
    with pytest.raises((ValueError, LookupError), match="thirteen|seven"):
        futures[2].result(20)


def test_cancelled_item_is_not_processed(batcher: Batcher[int, int], double: Doubler) -> None:
    first, cancelled, last = submit_behind_batch(batcher, double, 1, 2)
    cancelled.cancel()
    double.gate.set()
    assert (first.result(20), last.result(20)) == (0, 4)
    assert double.batches == [[0], [2]]


@pytest.mark.parametrize(("failing", "error"), [(5, ValueError), (99, SystemExit)])
def test_unexpected_failure_leaves_no_future_pending(
    batcher: Batcher[int, int], double: Doubler, failing: int, error: type[BaseException]
) -> None:
    """Too few results, and an exit of the thread: the next items are processed all the same."""
    futures = submit_behind_batch(batcher, double, failing, 1)
    double.gate.set()
    with pytest.raises(error):
        futures[1].result(20)
    assert not wait(futures, 20).not_done
    assert batcher.submit(2).result(20) == 4


def test_failing_callbacks_leave_no_future_pending(double: Doubler) -> None:
    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError

    for batcher in (Batcher("test", double, pending=fail), Batcher("test", double, on_batch=fail)):
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                batcher.submit(1).result(20)
        batcher.close()


def test_closing_cancels_queued_items(batcher: Batcher[int, int], double: Doubler) -> None:
    first, queued = submit_behind_batch(batcher, double, 1)
    batcher.close()
    double.gate.set()
    assert first.result(20) == 0
    with pytest.raises(CancelledError):
        queued.result(20)
    assert batcher.submit(2).cancelled()


def test_closing_ends_all_threads(double: Doubler) -> None:
    batcher: Batcher[int, int] = Batcher("closing", double, workers=3)
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("closing_")]
    assert len(threads) == 3
    assert batcher.submit(1).result(20) == 2
    batcher.close()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def test_batches_are_formed_by_priority(
    batcher: Batcher[int, int], double: Doubler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The priority is that of the thread, or given."""
    # On a slow machine background work would otherwise have waited for long enough to count as a request.
    monkeypatch.setattr("alignment.priority.PATIENCE_S", 600.0)
    futures = submit_behind_batch(batcher, double)
    with at_priority(Priority.BACKGROUND):
        futures += [batcher.submit(number) for number in (1, 2, 3)]
    futures += [batcher.submit(4), batcher.submit(6, Priority.LIVE)]
    double.gate.set()
    assert [future.result(20) for future in futures] == [0, 2, 4, 6, 8, 12]
    assert double.batches == [[0], [6, 4, 1], [2, 3]]
