"""Dynamic batching: one call of a model for the queued items of many requests.

A free worker takes everything that is queued, so that batches grow with the load. It waits for more items only while
some are announced as pending; a single item is processed without delay.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeVar

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
        self._process, self._max_items, self._linger_s = process, max_items, linger_s
        self._pending, self._on_batch = pending, on_batch
        # Submitting never waits for a lock that a worker holds: it happens in the event loop.
        self._items: queue.SimpleQueue[tuple[_In, Future[_Out]] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{index}", daemon=True) for index in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Number of items that no worker has taken yet."""
        return self._items.qsize()

    def submit(self, item: _In) -> "Future[_Out]":
        """Queue an item; its future can be cancelled until a worker takes it."""
        future: Future[_Out] = Future()
        self._items.put((item, future))
        # The threads may have emptied the queue for the last time before this item entered it.
        if self._closed.is_set():
            future.cancel()
        return future

    def close(self, wait_s: Seconds = 0.0) -> None:
        """End the threads after their current batch and cancel queued items.

        Args:
            wait_s: Longest wait for the end of each thread, after which it holds `process` no longer.
        """
        self._closed.set()
        self._items.put(None)
        for thread in self._threads if wait_s else ():
            thread.join(wait_s)

    def _work(self) -> None:
        while not self._closed.is_set():
            batch: list[tuple[_In, Future[_Out]]] = []
            try:
                self._gather(batch)
                self._run(batch)
            except BaseException as exc:  # noqa: BLE001 - no future may stay pending, and the thread must go on
                for _, future in batch:
                    if not future.done():
                        future.set_exception(exc)
        self._cancel_queued()

    def _gather(self, batch: list[tuple[_In, "Future[_Out]"]]) -> None:
        """Wait for an item, then add what is queued and, while more items are pending, what arrives in time."""
        self._take(batch, None)
        deadline = time.perf_counter() + self._linger_s
        while 0 < len(batch) < self._max_items:
            wait_s = max(0.0, deadline - time.perf_counter()) if self._pending() > 0 else 0.0
            if not self._take(batch, wait_s):
                break

    def _take(self, batch: list[tuple[_In, "Future[_Out]"]], timeout_s: Seconds | None) -> bool:
        """Add the next item, unless it was cancelled; False when there is none."""
        try:
            entry = self._items.get(timeout=timeout_s)
        except queue.Empty:
            return False
        if entry is None:
            self._items.put(None)
            return False
        if entry[1].set_running_or_notify_cancel():
            batch.append(entry)
        return True

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

    def _cancel_queued(self) -> None:
        with suppress(queue.Empty):
            while True:
                if entry := self._items.get_nowait():
                    entry[1].cancel()
        # For the other threads, which may still wait for an item.
        self._items.put(None)
