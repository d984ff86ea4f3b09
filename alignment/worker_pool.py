"""Worker processes that can be stopped at once, whatever they are doing.

`concurrent.futures` waits for running calls, at exit too; these workers hold the far end of a pipe and end themselves
when it is closed, or when their parent ends.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Final, TypeVar

from alignment.timing import Seconds

_T = TypeVar("_T")
_STARTING: Final = threading.Lock()


class WorkerPool:
    """A process pool that is replaced when a worker dies or takes too long."""

    def __init__(
        self,
        workers: int,
        initialise: Callable[[], None],
        limit_s: Seconds,
        failed: Callable[[str], Exception],
        *,
        attempts: int = 2,
    ) -> None:
        """Starts nothing yet.

        Args:
            workers: processes.
            initialise: runs first in each of them; like what `map` calls, no function of the main module.
            limit_s: of one `map`; then its workers are stopped.
            failed: makes the error that `map` raises, of the reason.
            attempts: how often calls are made before a dying worker is held against them.
        """
        self._workers, self._initialise, self._limit_s, self._failed = workers, initialise, limit_s, failed
        self._attempts = attempts
        self._lock = threading.Lock()
        self._closed = False
        self._processes: _Processes | None = None

    def map(
        self, function: Callable[..., _T], calls: Sequence[tuple[object, ...]], limit_s: Seconds | None = None
    ) -> list[_T]:
        """One result per call, in order; calls that a dying worker takes with it are made again.

        Args:
            function: of a module.
            calls: its arguments.
            limit_s: None for the usual one.

        Raises:
            Exception: what `failed` makes: workers died at every attempt, took longer than the limit, or the pool is
                closed.
        """
        limit_s = limit_s or self._limit_s
        for _ in range(self._attempts):
            processes = self._begun()
            try:
                return processes.run(function, calls, limit_s)
            except (BrokenProcessPool, CancelledError) as exc:
                cause: Exception = exc
                self._replace(processes)
            except TimeoutError as exc:
                self._replace(processes)
                raise self._failed(f"it took longer than {limit_s:g} s") from exc
        raise self._failed(f"its worker process died, {self._attempts} of {self._attempts} times") from cause

    def close(self) -> None:
        """Stops the workers; work under way is abandoned."""
        with self._lock:
            self._closed = True
            if self._processes:
                self._processes.stop()

    def _begun(self) -> "_Processes":
        """Made when they are needed: their queues are the system's, and outlive a process that ends by force."""
        with self._lock:
            if self._closed:
                raise self._failed("it is being closed")
            if self._processes is None:
                self._processes = _Processes(self._workers, self._initialise)
            return self._processes

    def _replace(self, broken: "_Processes") -> None:
        with self._lock:
            if self._processes is broken and not self._closed:
                broken.stop()
                self._processes = None


class _Processes:
    """One generation of workers."""

    def __init__(self, workers: int, initialise: Callable[[], None]) -> None:
        context = _Context()
        self._kept, self._theirs = context.Pipe()
        self._executor = ProcessPoolExecutor(workers, context, _start, (self._theirs, initialise))

    def run(self, function: Callable[..., _T], calls: Sequence[tuple[object, ...]], limit_s: Seconds) -> list[_T]:
        futures: list[Future[_T]] = []
        try:
            futures += [self._submit(function, call) for call in calls]
            return [future.result(limit_s) for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def _submit(self, function: Callable[..., _T], call: tuple[object, ...]) -> Future[_T]:
        try:
            return self._executor.submit(function, *call)
        except RuntimeError as exc:
            # Another thread has stopped these processes since.
            raise BrokenProcessPool(str(exc)) from exc

    def stop(self) -> None:
        """Ends the processes now."""
        self._kept.close()
        self._executor.shutdown(wait=False, cancel_futures=True)


class _Process(SpawnProcess):
    """Does not import the main module anew: a script without `if __name__ == "__main__"` would run again in it."""

    def start(self) -> None:
        with _nameless_main():
            super().start()


class _Context(SpawnContext):
    Process = _Process


@contextmanager
def _nameless_main() -> Iterator[None]:
    """Takes from the main module what `multiprocessing.spawn` would find it by."""
    with _STARTING:
        main = vars(sys.modules["__main__"])
        kept: dict[str, object] = {name: main[name] for name in ("__spec__", "__file__") if name in main}
        main.update(dict.fromkeys(kept))
        try:
            yield
        finally:
            main.update(kept)


def _start(far_end: Connection, initialise: Callable[[], None]) -> None:
    threading.Thread(target=_end_when_told, args=(far_end,), daemon=True).start()
    initialise()


def _end_when_told(far_end: Connection) -> None:
    parent = parent_process()
    wait([far_end, parent.sentinel] if parent else [far_end])
    os._exit(1)
