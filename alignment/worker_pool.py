"""Worker processes that can be stopped at any time.

`concurrent.futures` waits for running calls, also at exit; these workers hold the far end of a pipe and exit when it is
closed or when their parent ends.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Final, TypeVar

from alignment.priority import PrioritySlots
from alignment.timing import Seconds

_T = TypeVar("_T")
_STARTING: Final = threading.Lock()
# An interpreter that exits while an executor is being shut down can print an error of its wake-up pipe. Killed
# processes end at once, so that only a process that cannot be killed takes so long.
_CLOSING_S: Final[Seconds] = 10.0


class WorkerPool:
    """A process pool that is replaced when a worker dies or takes too long."""

    def __init__(
        self,
        workers: int,
        initialise: Callable[[], None],
        limit_s: Seconds,
        make_error: Callable[[str], Exception],
        *,
        attempts: int = 2,
    ) -> None:
        """Store the parameters; processes start on first use.

        Args:
            workers: Number of processes.
            initialise: Runs first in each process; as the function of `map`, it must not belong to the main module.
            limit_s: Longest duration of one `map`, after which its workers are stopped.
            make_error: Makes the error that `map` raises from its reason.
            attempts: Number of times that calls are made when workers die.
        """
        self._workers, self._initialise, self._limit_s, self._make_error = workers, initialise, limit_s, make_error
        self._attempts = attempts
        self._lock = threading.Lock()
        self._closed = False
        self._processes: _Processes | None = None

    def map(
        self, function: Callable[..., _T], calls: Sequence[tuple[object, ...]], limit_s: Seconds | None = None
    ) -> list[_T]:
        """Return one result per call, in order; calls lost with a dying worker are repeated.

        Args:
            function: Function of an importable module.
            calls: Arguments of each call.
            limit_s: Longest duration; None for the limit of the pool.

        Raises:
            Exception: Made by `make_error`: workers died at every attempt or took longer than the limit, or the pool
                is closed.
        """
        limit_s = limit_s or self._limit_s
        for _ in range(self._attempts):
            processes = self._current()
            try:
                return processes.run(function, calls, limit_s)
            except (BrokenProcessPool, CancelledError) as exc:
                cause: Exception = exc
                self._replace(processes)
            except TimeoutError as exc:
                self._replace(processes)
                raise self._make_error(f"it took longer than {limit_s:g} s") from exc
        raise self._make_error(f"its worker process died, {self._attempts} of {self._attempts} times") from cause

    def close(self) -> None:
        """Stop the workers and abandon running calls."""
        with self._lock:
            self._closed = True
            if self._processes:
                self._processes.stop()

    def _current(self) -> "_Processes":
        """Running processes, started on first use, because their system queues outlive a parent that is killed."""
        with self._lock:
            if self._closed:
                raise self._make_error("it is being closed")
            if self._processes is None:
                self._processes = _Processes(self._workers, self._initialise)
            return self._processes

    def _replace(self, broken: "_Processes") -> None:
        with self._lock:
            if self._processes is broken and not self._closed:
                broken.stop()
                self._processes = None


class _Processes:
    """Set of worker processes that are stopped together."""

    def __init__(self, workers: int, initialise: Callable[[], None]) -> None:
        self._context = _Context()
        self._near_end, self._far_end = self._context.Pipe()
        self._executor = ProcessPoolExecutor(workers, self._context, _start, (self._far_end, initialise))
        self._slots = PrioritySlots(workers)

    def run(self, function: Callable[..., _T], calls: Sequence[tuple[object, ...]], limit_s: Seconds) -> list[_T]:
        futures: list[Future[_T]] = []
        try:
            for call in calls:
                futures.append(self._submit(function, call))
                _raise_failures(futures)
            return [future.result(limit_s) for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def _submit(self, function: Callable[..., _T], call: tuple[object, ...]) -> Future[_T]:
        """Submit a call when a process is free for it, so that urgent calls do not queue behind others."""
        release = self._slots.acquire()
        try:
            future = self._executor.submit(function, *call)
        except RuntimeError as exc:
            release()
            # Another thread has stopped these processes.
            raise BrokenProcessPool(str(exc)) from exc
        future.add_done_callback(lambda _: release())
        return future

    def stop(self) -> None:
        """End the processes immediately, and wait until they and the executor have ended."""
        self._near_end.close()
        # A process that computes without releasing the interpreter lock does not notice the closed pipe.
        for process in self._context.started:
            process.kill()
        ending = threading.Thread(target=partial(self._executor.shutdown, cancel_futures=True), daemon=True)
        ending.start()
        ending.join(_CLOSING_S)


def _raise_failures(futures: Sequence[Future[_T]]) -> None:
    """Raise the error of a call that has failed already."""
    for future in futures:
        if future.done():
            future.result()


class _Process(SpawnProcess):
    """Process that does not import the main module, so that a script without a main guard does not run again."""

    def __init__(self, started: "list[_Process]", *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._started = started

    def start(self) -> None:
        with _nameless_main():
            super().start()
        self._started.append(self)

    def __getstate__(self) -> dict[str, object]:
        """State for the process itself, which needs no list of the others."""
        return self.__dict__ | {"_started": []}


class _Context(SpawnContext):
    """Context that lists the processes that it has started."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[_Process] = []

    def Process(self, *arguments: Any, **options: Any) -> _Process:  # type: ignore[override]  # noqa: N802
        """A process that is listed when it is started."""
        return _Process(self.started, *arguments, **options)


@contextmanager
def _nameless_main() -> Iterator[None]:
    """Hide the attributes by which `multiprocessing.spawn` finds the main module."""
    with _STARTING:
        main = vars(sys.modules["__main__"])
        hidden: dict[str, object] = {name: main[name] for name in ("__spec__", "__file__") if name in main}
        main.update(dict.fromkeys(hidden))
        try:
            yield
        finally:
            main.update(hidden)


def _start(far_end: Connection, initialise: Callable[[], None]) -> None:
    threading.Thread(target=_exit_with_parent, args=(far_end,), daemon=True).start()
    initialise()


def _exit_with_parent(far_end: Connection) -> None:
    parent = parent_process()
    wait([far_end, parent.sentinel] if parent else [far_end])
    os._exit(1)
