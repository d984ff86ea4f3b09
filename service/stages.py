"""Requests through the engine without ever blocking the event loop.

Recognition is slow and has few workers; decoding and scoring are quick. Each kind has its own threads, so that a
request that brings its own words does not wait behind recordings that are being recognised.
"""

import asyncio
import math
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from alignment.audio import Waveform
from service.engine import Analysis, AnalysisRequest, EmotionEngine, Stopwatch
from service.errors import BusyError, DeadlineError
from service.settings import Settings

_T = TypeVar("_T")
_FIRST_GUESS_S = 1.0
_MEMORY = 0.9


class Stages:
    """A bounded number of requests at once; one more is refused at once and told when to come back."""

    def __init__(self, engine: EmotionEngine, settings: Settings) -> None:
        """Starts no thread yet; `under_way` tells how many requests are in."""
        self._engine = engine
        self._max_waiting = settings.max_waiting
        self._deadline_s = settings.deadline_s
        self._recognisers = settings.pocketsphinx.workers
        self._quick = ThreadPoolExecutor(os.cpu_count() or 1, "quick")
        self._slow = ThreadPoolExecutor(self._recognisers, "recognise")
        self.under_way = 0
        self._lock = threading.Lock()
        self._usual_s = _FIRST_GUESS_S

    async def answer(
        self, read: Callable[[], Awaitable[bytes]], request: AnalysisRequest, present: Callable[[Analysis], str]
    ) -> str:
        """A recording's answer; see `EmotionEngine.analyse`.

        A place is taken before the recording is read into memory, and given back when no thread works on it any more,
        which is later than the answer when the deadline has passed.

        Args:
            read: gives the recording.
            request: what is known beside it.
            present: makes the answer of the analysis, in a thread.

        Raises:
            BusyError: the limit of requests is reached.
            DeadlineError: the answer took too long.
        """
        self.refuse_when_busy()
        self._count(+1)
        run = _Run()
        try:
            async with asyncio.timeout(self._deadline_s):
                text = await self._run_stages(run, read, request, present)
        except TimeoutError as exc:
            raise DeadlineError(self._deadline_s, run.watch.timings_ms["queue"] / 1_000) from exc
        finally:
            if run.work is None or run.work.done():
                self._count(-1)
            else:
                run.work.add_done_callback(lambda _: self._count(-1))
        self._usual_s = _MEMORY * self._usual_s + (1 - _MEMORY) * run.spent_s
        return text

    def refuse_when_busy(self) -> None:
        """Passes while there is a place.

        Raises:
            BusyError: the limit of requests is reached.
        """
        if self.under_way >= self._max_waiting:
            raise BusyError(self.under_way, self._retry_after_s())

    def close(self) -> None:
        """Ends the threads; what has not begun is dropped."""
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)

    async def _run_stages(
        self,
        run: "_Run",
        read: Callable[[], Awaitable[bytes]],
        request: AnalysisRequest,
        present: Callable[[Analysis], str],
    ) -> str:
        engine, watch = self._engine, run.watch
        waveform = await self._decode(run, read)
        pool = self._quick if request.words is not None else self._slow
        transcript = await self._in_thread(pool, run, lambda: engine.find_words(waveform, request, watch))

        def finish() -> str:
            analysis = engine.classify(waveform, transcript, watch)
            watch.timings_ms["total"] = run.spent_s * 1_000
            return present(analysis)

        return await self._in_thread(self._quick, run, finish)

    async def _decode(self, run: "_Run", read: Callable[[], Awaitable[bytes]]) -> Waveform:
        """Sound; the file's bytes are let go when this returns."""
        data = await read()
        return await self._in_thread(self._quick, run, lambda: self._engine.decode(data, run.watch))

    async def _in_thread(self, pool: ThreadPoolExecutor, run: "_Run", work: Callable[[], _T]) -> _T:
        """`work` in a thread; the time until a thread was free counts as queue."""
        submitted = time.perf_counter()

        def timed() -> _T:
            run.watch.timings_ms["queue"] += (time.perf_counter() - submitted) * 1_000
            return work()

        future = pool.submit(timed)
        run.work = future
        return await asyncio.wrap_future(future)

    def _count(self, change: int) -> None:
        with self._lock:
            self.under_way += change

    def _retry_after_s(self) -> int:
        """Seconds until a place should be free, from how long requests usually take."""
        return max(1, math.ceil(self._usual_s / self._recognisers))


@dataclass(slots=True)
class _Run:
    """One request on its way.

    Attributes:
        watch: its times.
        work: what a thread does for it now.
    """

    watch: Stopwatch = field(default_factory=lambda: Stopwatch({"queue": 0.0}))
    work: "Future[Any] | None" = None
    started: float = field(default_factory=time.perf_counter)

    @property
    def spent_s(self) -> float:
        """Since it came."""
        return time.perf_counter() - self.started
