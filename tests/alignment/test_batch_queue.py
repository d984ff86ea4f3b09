import threading
from collections.abc import Iterable

import pytest

from alignment.batch_queue import BatchQueue
from alignment.priority import PATIENCE_S, Priority
from tests.fakes import Clock
from tests.waiting import wait_until

LIVE, REQUEST, JOB = Priority.LIVE, Priority.REQUEST, Priority.BACKGROUND


def queue_of(items: Iterable[tuple[str, Priority]], max_items: int, clock: Clock | None = None) -> BatchQueue[str]:
    queue: BatchQueue[str] = BatchQueue(max_items, clock or Clock())
    for item, priority in items:
        assert queue.put(item, priority)
    return queue


def batches(queue: BatchQueue[str]) -> list[str]:
    """All batches, the items of each joined."""
    taken = []
    while len(queue):
        taken.append(" ".join(each.item for each in queue.take()))
    return taken


def test_items_are_taken_by_priority_then_by_arrival() -> None:
    items = [("j1", JOB), ("r1", REQUEST), ("r2", REQUEST), ("l1", LIVE), ("r3", REQUEST), ("l2", LIVE)]
    assert batches(queue_of(items, 2)) == ["l1 l2", "r1 r2", "r3 j1"]


@pytest.mark.parametrize(("max_items", "background"), [(1, 0), (2, 1), (4, 1), (8, 2)])
def test_share_of_background_work_is_bounded_while_others_wait(max_items: int, background: int) -> None:
    queue = queue_of([*((f"j{index}", JOB) for index in range(8)), ("request", REQUEST)], max_items)
    assert [each.item for each in queue.take()] == ["request", *(f"j{index}" for index in range(background))]


def test_background_work_alone_fills_batches() -> None:
    queue = queue_of([(f"j{index}", JOB) for index in range(9)], 4)
    assert [len(queue.take()) for _ in range(3)] == [4, 4, 1]


def test_share_counts_the_items_that_the_batch_has() -> None:
    queue = queue_of([("r1", REQUEST), ("j1", JOB)], 4)
    batch = queue.take()
    assert queue.put("j2", JOB)
    assert queue.take(batch) == []
    assert queue.put("r2", REQUEST)
    batch += queue.take(batch)
    assert [each.item for each in batch] == ["r1", "j1", "r2"]
    assert [each.item for each in queue.take()] == ["j2"]


def test_full_batch_takes_nothing_and_does_not_wait() -> None:
    queue = queue_of([("a", REQUEST), ("b", REQUEST)], 1)
    assert queue.take(queue.take(), None) == []
    assert len(queue) == 1


def test_background_work_does_not_starve() -> None:
    """Requests fill every batch; the job is older than those that arrive after it has waited for long enough."""
    clock = Clock()
    queue = queue_of([("job", JOB), ("r1", REQUEST), ("r2", REQUEST)], 2, clock)
    assert [each.item for each in queue.take()] == ["r1", "r2"]
    clock.now_s = PATIENCE_S + 1
    for item, priority in (("r3", REQUEST), ("r4", REQUEST), ("l1", LIVE)):
        assert queue.put(item, priority)
    assert batches(queue) == ["l1 job", "r3 r4"]


def test_closing_returns_the_items_and_ends_all_waits() -> None:
    waiting: BatchQueue[str] = BatchQueue(2)
    taken: list[object] = []
    threads = [threading.Thread(target=lambda: taken.append(waiting.take()), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    waiting.close()
    wait_until(lambda: taken == [[], []])
    closed = queue_of([("a", REQUEST), ("b", JOB)], 2)
    assert closed.close() == ["a", "b"]
    assert (closed.put("c", LIVE), closed.take(), len(closed)) == (False, [], 0)
