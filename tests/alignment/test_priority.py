import asyncio
import threading
from collections.abc import Callable

import pytest

from alignment.priority import PATIENCE_S, Priority, PrioritySlots, at_priority
from tests.fakes import Clock
from tests.waiting import wait_until


class Competitors:
    """Threads that wait for a slot; the order in which they get one is recorded."""

    def __init__(self, slots: PrioritySlots) -> None:
        self.slots = slots
        self.order: list[str] = []
        self.releases: dict[str, Callable[[], None]] = {}

    def start(self, name: str, priority: Priority) -> None:
        waiting = self.slots.waiting
        threading.Thread(target=self._wait, args=(name, priority), daemon=True).start()
        wait_until(lambda: self.slots.waiting > waiting or name in self.releases)

    def wait_for(self, granted: int) -> None:
        wait_until(lambda: len(self.releases) == granted)

    def _wait(self, name: str, priority: Priority) -> None:
        with at_priority(priority):
            release = self.slots.acquire()
        self.order.append(name)
        self.releases[name] = release


def test_slots_are_granted_by_priority_then_by_arrival() -> None:
    competitors = Competitors(PrioritySlots(1))
    competitors.start("first", Priority.REQUEST)
    for name, priority in (
        ("job", Priority.BACKGROUND),
        ("request", Priority.REQUEST),
        ("later request", Priority.REQUEST),
        ("live", Priority.LIVE),
    ):
        competitors.start(name, priority)
    for granted, name in enumerate(("first", "live", "request", "later request"), start=2):
        competitors.releases[name]()
        competitors.wait_for(granted)
    assert competitors.order == ["first", "live", "request", "later request", "job"]


def test_background_work_leaves_one_slot_free() -> None:
    competitors = Competitors(PrioritySlots(2))
    competitors.start("job", Priority.BACKGROUND)
    competitors.start("another job", Priority.BACKGROUND)
    assert competitors.slots.waiting == 1
    competitors.start("request", Priority.REQUEST)
    assert competitors.order == ["job", "request"]
    competitors.releases["request"]()
    assert competitors.slots.waiting == 1
    competitors.releases["job"]()
    wait_until(lambda: competitors.order == ["job", "request", "another job"])


def test_background_work_does_not_wait_for_ever() -> None:
    clock = Clock()
    competitors = Competitors(PrioritySlots(1, clock))
    competitors.start("first", Priority.REQUEST)
    competitors.start("job", Priority.BACKGROUND)
    clock.now_s = PATIENCE_S + 1
    competitors.start("request", Priority.REQUEST)
    competitors.releases["first"]()
    wait_until(lambda: len(competitors.order) == 2)
    assert competitors.order == ["first", "job"]


def test_slot_is_free_after_an_error() -> None:
    slots = PrioritySlots(1)
    with pytest.raises(KeyError), slots.slot():
        raise KeyError
    with slots.slot():
        assert slots.waiting == 0


def test_cancelled_task_gives_its_place_back() -> None:
    async def scenario() -> None:
        slots = PrioritySlots(1)
        release = await slots.acquire_in_loop(Priority.REQUEST)
        cancelled = asyncio.create_task(slots.acquire_in_loop(Priority.LIVE))
        next_one = asyncio.create_task(slots.acquire_in_loop(Priority.BACKGROUND))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait({cancelled})
        assert slots.waiting == 1
        release()
        (await next_one)()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_slot_of_a_task_that_is_cancelled_when_granted_is_released() -> None:
    async def scenario() -> None:
        slots = PrioritySlots(1)
        release = await slots.acquire_in_loop(Priority.REQUEST)
        cancelled = asyncio.create_task(slots.acquire_in_loop(Priority.REQUEST))
        await asyncio.sleep(0)
        release()
        cancelled.cancel()
        await asyncio.wait({cancelled})
        (await slots.acquire_in_loop(Priority.REQUEST))()

    asyncio.run(asyncio.wait_for(scenario(), 30))
