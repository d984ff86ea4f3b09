"""Admission control: a bounded number of requests at once, each with a deadline and an estimate for those refused."""

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from alignment.priority import Priority
from alignment.timing import Seconds
from service.errors import BusyError, DeadlineError
from service.observability.stopwatch import Stopwatch

_SMOOTHING: Final = 0.9


@dataclass(slots=True, eq=False)
class RequestContext:
    """State of one request while it is processed.

    Attributes:
        stopwatch: Its stage times.
        work: The thread-pool work that runs for it now.
        priority: Priority on the models and processes that it shares with others.
        cancelled: Whether its result is no longer wanted: the deadline has passed or the client has disconnected.
        started: Arrival, on the clock of `time.perf_counter`.
    """

    stopwatch: Stopwatch
    priority: Priority = Priority.REQUEST
    work: "Future[Any] | None" = None
    cancelled: bool = False
    started: float = field(default_factory=time.perf_counter)

    @property
    def queued_s(self) -> Seconds:
        """Time spent in queues so far."""
        return self.stopwatch.timings_ms["queue"] / 1_000

    def timings_ms(self) -> dict[str, float]:
        """Stage times, and the total time since the arrival."""
        return {**self.stopwatch.timings_ms, "total": (time.perf_counter() - self.started) * 1_000}


class LoadEstimator:
    """Recent processing time per request, as an exponential moving average; idle time does not count."""

    def __init__(self, clock: Callable[[], Seconds] = time.monotonic, first_guess_s: Seconds = 1.0) -> None:
        self._clock = clock
        self._average_s = first_guess_s
        self._since = clock()

    def begin(self, in_progress: int) -> None:
        """Register a request that arrives while `in_progress` others are processed."""
        if in_progress == 0:
            self._since = self._clock()

    def finish(self) -> None:
        """Register the end of a request."""
        now = self._clock()
        self._average_s = _SMOOTHING * self._average_s + (1 - _SMOOTHING) * (now - self._since)
        self._since = now

    def retry_after_s(self, in_progress: int) -> int:
        """Whole seconds until the requests in progress are expected to end, at least 1."""
        return max(1, math.ceil(self._average_s * in_progress))


class AdmissionControl:
    """A bounded number of requests at once."""

    def __init__(self, limit: int, deadline_s: Seconds) -> None:
        """Admit no request yet.

        Args:
            limit: Requests in progress at most.
            deadline_s: Longest processing time of a request.
        """
        self._limit, self._deadline_s = limit, deadline_s
        self.in_progress = 0
        self._lock = threading.Lock()
        self._load = LoadEstimator()

    @asynccontextmanager
    async def admit(self, context: RequestContext) -> AsyncIterator[None]:
        """Admit one request for the duration of the block, at most until its deadline.

        The slot is released when no thread works for the request any more, which is after the end of the block where
        the deadline has passed or the client has disconnected.

        Raises:
            BusyError: The limit of requests is reached.
            DeadlineError: The block took too long.
        """
        self.require_capacity()
        self._load.begin(self.in_progress)
        self._count(+1)
        try:
            async with asyncio.timeout(self._deadline_s):
                yield
        except TimeoutError as exc:
            raise DeadlineError(self._deadline_s, context.queued_s) from exc
        finally:
            context.cancelled = True
            if context.work is None or context.work.done():
                self._release()
            else:
                context.work.add_done_callback(lambda _: self._release())

    def require_capacity(self) -> None:
        """Raise when the limit of requests is reached.

        Raises:
            BusyError: It is, with the time after which to retry.
        """
        if self.in_progress >= self._limit:
            raise BusyError(self.in_progress, self._load.retry_after_s(self.in_progress))

    def _count(self, change: int) -> None:
        with self._lock:
            self.in_progress += change

    def _release(self) -> None:
        self._load.finish()
        self._count(-1)
