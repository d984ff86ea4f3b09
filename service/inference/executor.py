"""Thread pools that keep blocking work off the event loop, and the time that work waits for them."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Literal, TypeVar

from alignment.priority import PrioritySlots, at_priority
from service.inference.admission import RequestContext

_T = TypeVar("_T")
Pool = Literal["prepare", "recognise", "large"]


def half_of_cores() -> int:
    """Half of the cores, at least 1: the number of large pieces of work at once, so that small ones are not delayed."""
    return max(1, (os.cpu_count() or 1) // 2)


class Executor:
    """One pool for quick work (decoding, features, responses), one for recognition, one for large recordings.

    Recognition and large recordings have threads of their own, so that a small request with given words never waits
    behind recordings that are recognised, or that take long to decode. Recognitions start by their priority.
    """

    def __init__(self, recognitions_at_once: int) -> None:
        """Start threads when they are needed.

        Args:
            recognitions_at_once: Threads of the pool for recognition.
        """
        self._pools: dict[Pool, ThreadPoolExecutor] = {
            "prepare": ThreadPoolExecutor(os.cpu_count() or 1, "prepare"),
            "recognise": ThreadPoolExecutor(recognitions_at_once, "recognise"),
            "large": ThreadPoolExecutor(half_of_cores(), "large"),
        }
        self._recognitions = PrioritySlots(recognitions_at_once)

    async def run(self, context: RequestContext, work: Callable[[], _T], pool: Pool = "prepare") -> _T:
        """Return the result of `work`, run in a thread; the wait for a free thread counts as queue time."""
        submitted = time.perf_counter()

        def measured() -> _T:
            context.stopwatch.add("queue", time.perf_counter() - submitted)
            with at_priority(context.priority):
                return work()

        if pool != "recognise":
            return await wait_for(context, self._pools[pool].submit(measured))
        release = await self._recognitions.acquire_in_loop(context.priority)
        future = self._pools[pool].submit(measured)
        # A thread cannot be interrupted: after a cancellation the slot is free when its work has ended.
        future.add_done_callback(lambda _: release())
        return await wait_for(context, future)

    def run_later(self, work: Callable[[], None], pool: Pool) -> None:
        """Run `work` that no request waits for; it is dropped where the service stops."""
        with suppress(RuntimeError):
            self._pools[pool].submit(work)

    def is_busy(self) -> bool:
        """Whether quick work waits for a thread."""
        return self._pools["prepare"]._work_queue.qsize() > 0

    @property
    def waiting(self) -> dict[str, int]:
        """Length of each queue."""
        # ThreadPoolExecutor has no public accessor for its queue.
        lengths: dict[str, int] = {name: pool._work_queue.qsize() for name, pool in self._pools.items()}
        return lengths | {"recognise": self._recognitions.waiting}

    def close(self) -> None:
        """End the threads; work that has not begun is dropped."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


async def wait_for(context: RequestContext, future: "Future[_T]") -> _T:
    """Result of work that another thread does for a request."""
    context.work = future
    return await asyncio.wrap_future(future)
