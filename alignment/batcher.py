"""Work of many requests in one call: a model is asked once for all that wait for it.

A worker takes whatever waits as soon as it is free, so that a batch grows with the load by itself. It lingers for a
moment only when it is told that more is about to come: a lone request never waits for company.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from alignment.timing import Seconds

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Batcher(Generic[_In, _Out]):
    """Threads that answer items in batches; an item that fails never takes its neighbours with it."""

    def __init__(
        self,
        name: str,
        process: Callable[[Sequence[_In]], Sequence[_Out | Exception]],
        *,
        max_items: int = 32,
        linger_s: Seconds = 0.002,
        pending: Callable[[], int] = lambda: 0,
        on_batch: Callable[[int], None] = lambda _: None,
        workers: int = 1,
    ) -> None:
        """Starts the threads.

        Args:
            name: of the threads.
            process: one result per item, in order.
            max_items: of one batch.
            linger_s: longest wait for more items, and only while some are expected.
            pending: how many items are on their way here.
            on_batch: is told the size of each batch.
            workers: threads.
        """
        self._process, self._max_items, self._linger_s = process, max_items, linger_s
        self._pending, self._on_batch = pending, on_batch
        self._items: queue.SimpleQueue[tuple[_In, Future[_Out]] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{index}", daemon=True) for index in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Items that no worker has taken yet."""
        return self._items.qsize()

    def submit(self, item: _In) -> "Future[_Out]":
        """The item's result, later; cancelling it before a worker takes it costs nothing."""
        future: Future[_Out] = Future()
        self._items.put((item, future))
        # Task for afterwards: what comes while it closes is cancelled here or by the thread that ends last.
        if self._closed.is_set():
            future.cancel()
        return future

    def close(self) -> None:
        """Ends the threads; what waits is cancelled."""
        self._closed.set()
        for _ in self._threads:
            self._items.put(None)

    def _work(self) -> None:
        while (first := self._items.get()) is not None and not self._closed.is_set():
            batch = [first, *self._company()]
            self._run([entry for entry in batch if entry[1].set_running_or_notify_cancel()])
        if first is not None:
            first[1].cancel()
        self._cancel_rest()

    def _company(self) -> list[tuple[_In, "Future[_Out]"]]:
        """What else waits, and what comes within the linger while more is expected."""
        batch: list[tuple[_In, Future[_Out]]] = []
        give_up = time.perf_counter() + self._linger_s
        while len(batch) + 1 < self._max_items:
            pause_s = max(0.0, give_up - time.perf_counter()) if self._pending() > 0 else 0.0
            try:
                entry = self._items.get(timeout=pause_s) if pause_s else self._items.get_nowait()
            except queue.Empty:
                break
            if entry is None:
                self._items.put(None)
                break
            batch.append(entry)
        return batch

    def _run(self, batch: Sequence[tuple[_In, "Future[_Out]"]]) -> None:
        if not batch:
            return
        self._on_batch(len(batch))
        try:
            results = self._process([item for item, _ in batch])
        except Exception as exc:  # noqa: BLE001 - whatever it is belongs to the request that caused it
            if len(batch) == 1:
                batch[0][1].set_exception(exc)
                return
            for entry in batch:
                self._run([entry])
            return
        for (_, future), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _cancel_rest(self) -> None:
        while True:
            try:
                entry = self._items.get_nowait()
            except queue.Empty:
                return
            if entry is not None:
                entry[1].cancel()
