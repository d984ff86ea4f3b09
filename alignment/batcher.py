"""Dynamic batching: one call of a model for the queued items of many requests.

A free worker takes everything that is queued, by priority, so that batches grow with the load. It waits for more items
only while some are announced as pending; a single item is processed without delay.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from alignment.batch_queue import BatchQueue, Queued
from alignment.priority import Priority, current_priority
from alignment.timing import Seconds

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Batcher(Generic[_In, _Out]):
    """Threads that process queued items in batches; a failing item does not affect other items of its batch."""

    def __init__(
        self,
        name: str,
        process: Callable[[Sequence[_In]], Sequence[_Out | BaseException]],
        *,
        max_items: int = 32,
        linger_s: Seconds = 0.002,
        pending: Callable[[], int] = lambda: 0,
        on_batch: Callable[[int], None] = lambda _: None,
        workers: int = 1,
    ) -> None:
        """Start the threads.

        Args:
            name: Prefix of the thread names.
            process: Returns one result per item, in order; a result that is an exception is raised to the caller of
                its item. When `process` itself raises, the items are processed again one by one.
            max_items: Largest batch.
            linger_s: Longest wait for more items, only while some are pending.
            pending: Number of items that are about to be submitted.
            on_batch: Called with the size of each batch.
            workers: Number of threads.
        """
        self._process, self._linger_s = process, linger_s
        self._pending, self._on_batch = pending, on_batch
        self._items: BatchQueue[tuple[_In, Future[_Out]]] = BatchQueue(max_items)
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{index}", daemon=True) for index in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Number of items that no worker has taken yet."""
        return len(self._items)

    def submit(self, item: _In, priority: Priority | None = None) -> "Future[_Out]":
        """Queue an item; its future can be cancelled until a worker takes it.

        Args:
            item: The item.
            priority: Its priority; None for that of this thread or task.
        """
        future: Future[_Out] = Future()
        if not self._items.put((item, future), current_priority() if priority is None else priority):
            future.cancel()
        return future

    def close(self, wait_s: Seconds = 0.0) -> None:
        """End the threads after their current batch and cancel queued items.

        Args:
            wait_s: Longest wait for the end of each thread, after which it holds `process` no longer.
        """
        self._closed.set()
        for _, future in self._items.close():
            future.cancel()
        for thread in self._threads if wait_s else ():
            thread.join(wait_s)

    def _work(self) -> None:
        while not self._closed.is_set():
            batch: list[Queued[tuple[_In, Future[_Out]]]] = []
            try:
                self._gather(batch)
                self._run([each.item for each in batch])
            except BaseException as exc:  # noqa: BLE001 - no future may stay pending, and the thread must go on
                for each in batch:
                    _, future = each.item
                    if not future.done():
                        future.set_exception(exc)

    def _gather(self, batch: list[Queued[tuple[_In, "Future[_Out]"]]]) -> None:
        """Wait for items, then add, while more items are pending, what arrives in time."""
        self._take(batch, None)
        deadline = time.perf_counter() + self._linger_s
        while batch and self._pending() > 0 and self._take(batch, max(0.0, deadline - time.perf_counter())):
            pass

    def _take(self, batch: list[Queued[tuple[_In, "Future[_Out]"]]], timeout_s: Seconds | None) -> bool:
        """Add the next items, except cancelled ones; False when there are none."""
        taken = self._items.take(batch, timeout_s)
        batch += [each for each in taken if each.item[1].set_running_or_notify_cancel()]
        return bool(taken)

    def _run(self, batch: Sequence[tuple[_In, "Future[_Out]"]]) -> None:
        if not batch:
            return
        self._on_batch(len(batch))
        try:
            results = list(zip(batch, self._process([item for item, _ in batch]), strict=True))
        except Exception as exc:  # noqa: BLE001 - any error belongs to the request that caused it
            if len(batch) == 1:
                batch[0][1].set_exception(exc)
                return
            for entry in batch:
                self._run([entry])
            return
        for (_, future), result in results:
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
