"""Requests through the engine without ever blocking the event loop.

Recognition is slow and has few workers; decoding and scoring are quick. Each kind has its own threads, so that a
request that brings its own words does not wait behind recordings that are being recognised.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

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
        self._recognisers = max(settings.pocketsphinx.workers, 1)
        self._quick = ThreadPoolExecutor(os.cpu_count() or 1, "quick")
        self._slow = ThreadPoolExecutor(self._recognisers, "recognise")
        self.under_way = 0
        self._usual_s = _FIRST_GUESS_S

    async def analyse(self, data: bytes, request: AnalysisRequest) -> Analysis:
        """See `EmotionEngine.analyse`.

        Raises:
            BusyError: the limit of requests is reached.
            DeadlineError: the answer took too long.
        """
        if self.under_way >= self._max_waiting:
            raise BusyError(self.under_way, self._retry_after_s())
        self.under_way += 1
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._deadline_s):
                analysis = await self._run_stages(data, request)
        except TimeoutError as exc:
            raise DeadlineError(self._deadline_s) from exc
        finally:
            self.under_way -= 1
        spent_s = time.perf_counter() - started
        self._usual_s = _MEMORY * self._usual_s + (1 - _MEMORY) * spent_s
        analysis.timings_ms["total"] = spent_s * 1_000
        return analysis

    def close(self) -> None:
        """Ends the threads; what has not begun is dropped."""
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)

    async def _run_stages(self, data: bytes, request: AnalysisRequest) -> Analysis:
        watch = Stopwatch({"queue": 0.0})
        waveform = await self._run(self._quick, watch, lambda: self._engine.decode(data, watch))
        words_at_hand = request.words is not None
        pool = self._quick if words_at_hand else self._slow
        transcript = await self._run(pool, watch, lambda: self._engine.find_words(waveform, request, watch))
        return await self._run(self._quick, watch, lambda: self._engine.classify(waveform, transcript, watch))

    async def _run(self, pool: ThreadPoolExecutor, watch: Stopwatch, work: Callable[[], _T]) -> _T:
        """`work` in a thread; the time until a thread was free counts as queue."""
        submitted = time.perf_counter()

        def timed() -> _T:
            watch.timings_ms["queue"] += (time.perf_counter() - submitted) * 1_000
            return work()

        return await asyncio.get_running_loop().run_in_executor(pool, timed)

    def _retry_after_s(self) -> int:
        """Seconds until a place should be free, from how long requests usually take."""
        return max(1, math.ceil(self._usual_s / self._recognisers))
