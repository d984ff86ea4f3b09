"""Admission control: a bounded number of requests at once, each with its deadline."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from alignment.timing import Seconds
from service.errors import BusyError, DeadlineError
from service.inference.pace import LoadEstimator
from service.inference.result import Stopwatch


@dataclass(slots=True, eq=False)
class RequestContext:
    """One request inside.

    Attributes:
        watch: its times.
        work: what a thread does for it now.
        over: whether nobody waits for its answer any more.
    """

    watch: Stopwatch
    work: "Future[Any] | None" = None
    over: bool = False
    started: float = field(default_factory=time.perf_counter)

    def total(self) -> dict[str, float]:
        """Its times, with the time since it came."""
        return {**self.watch.timings_ms, "total": (time.perf_counter() - self.started) * 1_000}


class AdmissionControl:
    """A bounded number of requests at once."""

    def __init__(self, limit: int, deadline_s: Seconds) -> None:
        """`under_way` tells how many places are taken."""
        self._limit, self._deadline_s = limit, deadline_s
        self.under_way = 0
        self._lock = threading.Lock()
        self._pace = LoadEstimator()

    @asynccontextmanager
    async def take(self, visit: RequestContext) -> AsyncIterator[None]:
        """A place for one request, and its deadline.

        The place is given back when no thread works for it any more, which is later than the block's end when the
        deadline has passed or the client has gone.

        Raises:
            BusyError: the limit of requests is reached.
            DeadlineError: the block took too long.
        """
        self.refuse_when_busy()
        self._pace.begin(self.under_way)
        self._count(+1)
        try:
            async with asyncio.timeout(self._deadline_s):
                yield
        except TimeoutError as exc:
            raise DeadlineError(self._deadline_s, visit.watch.timings_ms["queue"] / 1_000) from exc
        finally:
            visit.over = True
            if visit.work is None or visit.work.done():
                self._leave()
            else:
                visit.work.add_done_callback(lambda _: self._leave())

    def refuse_when_busy(self) -> None:
        """Passes while there is a place.

        Raises:
            BusyError: the limit of requests is reached.
        """
        if self.under_way >= self._limit:
            raise BusyError(self.under_way, self._pace.retry_after_s(self.under_way))

    def _count(self, change: int) -> None:
        with self._lock:
            self.under_way += change

    def _leave(self) -> None:
        self._pace.finish()
        self._count(-1)
