"""Requests through the engine without ever blocking the event loop.

Decoding and features are quick and run in a few threads. Recognition is slow and has threads of its own, so that a
request which brings its own words never waits behind recordings that are being recognised. The network is asked in
batches over all requests (`Batcher`). While several requests that bring their words are there,
processes beside this one score the small ones (`service.inference.worker_pool`).
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from alignment.audio import Waveform
from alignment.batcher import Batcher
from alignment.errors import AlignmentError, AudioTooLongError
from alignment.features.extraction import UtteranceFeatures
from alignment.features.mfcc import compute_bases
from alignment.speech.windows import Window
from alignment.timing import Seconds
from model.scores import UtteranceScores
from service.inference.admission import AdmissionControl, RequestContext
from service.inference.engine import EmotionEngine, PreparedWindow
from service.inference.result import Analysis, AnalysisRequest, ResultBuilder, ScoredUtterance, Speakers, Stopwatch
from service.inference.worker import WorkerInput, WorkerOutput
from service.inference.worker_pool import MAX_BYTES, MAX_WORDS, InferenceWorkerPool, Task
from service.observability.metrics import Metrics
from service.observability.tracing import NoTraces, Traces
from service.settings import Settings

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recording is: seconds of audio that are done, of how many, and what is worked on now."""

    stage: str
    done_s: Seconds
    total_s: Seconds


Observer = Callable[[Progress | ScoredUtterance], None]


class Scheduler:
    """A bounded number of requests at once; one more is refused at once and told when to come back."""

    def __init__(
        self,
        engine: EmotionEngine,
        settings: Settings,
        metrics: Metrics | None = None,
        traces: Traces | None = None,
    ) -> None:
        """Starts threads."""
        self._engine = engine
        self._traces = traces or NoTraces()
        self._metrics = metrics or Metrics()
        self._places = AdmissionControl(settings.max_waiting, settings.deadline_s)
        self._quick = ThreadPoolExecutor(os.cpu_count() or 1, "quick")
        self._slow = ThreadPoolExecutor(engine.aligner_calls_at_once, "recognise")
        self._classifier: Batcher[Sequence[UtteranceFeatures], list[UtteranceScores]] = Batcher(
            "classify",
            self._classify_together,
            max_items=settings.batch.max_requests,
            linger_s=settings.batch.linger_ms / 1_000,
            pending=lambda: len(self._near_classifier),
            on_batch=self._metrics.count_batch,
            workers=engine.classifier.calls_at_once,
        )
        self._scorers = InferenceWorkerPool(settings, self._metrics.count_batch) if settings.scorers else None
        self._with_words: set[RequestContext] = set()
        self._near_classifier: set[RequestContext] = set()
        self._show_queues()

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[RequestContext]:
        """A place for one request, see `AdmissionControl.take`."""
        visit = self.visit()
        async with self._places.take(visit):
            try:
                yield visit
            finally:
                self._with_words.discard(visit)
                self._near_classifier.discard(visit)

    @property
    def under_way(self) -> int:
        """How many requests are in."""
        return self._places.under_way

    def refuse_when_busy(self) -> None:
        """See `AdmissionControl.refuse_when_busy`."""
        self._places.refuse_when_busy()

    def warm_up(self) -> None:
        """Has every process beside this one answer once; the engine has done so already.

        Raises:
            AlignmentError, ModelError, WorkerFailedError: one cannot.
        """
        if self._scorers:
            bundle = self._engine.bundle
            mfcc = bundle.config.features.mfcc
            self._scorers.start(bundle.version, mfcc, compute_bases(mfcc))

    def visit(self) -> RequestContext:
        """One request, window or job, whose stages are told to whoever follows it."""
        return RequestContext(Stopwatch({"queue": 0.0}, self._traces.watch_stages()))

    async def answer(
        self,
        visit: RequestContext,
        read: Callable[[], bytes],
        request: AnalysisRequest,
        present: Callable[[Analysis], _T],
        observe: Observer | None = None,
        size_bytes: int | None = None,
    ) -> _T:
        """What `EmotionEngine.analyse` finds, stage by stage, presented.

        Args:
            visit: its place.
            read: gives the recording, in a thread: what waits for one lies on disk.
            request: what is known beside it.
            present: makes the answer, in a thread.
            observe: is told, in the event loop, how far it is and each utterance as soon as it is scored.
            size_bytes: of the recording, where it is known.
        """
        self._engine.check(request)
        if request.words is not None:
            self._with_words.add(visit)
            small = size_bytes is not None and size_bytes <= MAX_BYTES and len(request.words) <= MAX_WORDS
            if observe is None and small and self._scorers and len(self._with_words) > 1:
                return await self._answer_beside(self._scorers, visit, read, request, present)
            if observe is None:
                return await self._answer_given(visit, read, request, present)
            self._near_classifier.add(visit)
        findings = await self._analyse(visit, read, request, observe or (lambda _: None))
        return await self.in_thread(visit, lambda: present(self._finish(visit, findings)))

    async def _answer_given(
        self,
        visit: RequestContext,
        read: Callable[[], bytes],
        request: AnalysisRequest,
        present: Callable[[Analysis], _T],
    ) -> _T:
        """Words are there: all of it is quick, and while no other request is near, one thread does it in one go."""
        self._near_classifier.add(visit)
        engine = self._engine

        def begin() -> tuple[ResultBuilder, PreparedWindow | None, _T | None]:
            waveform = engine.decode(read(), visit.watch, abandoned=lambda: visit.over)
            findings = ResultBuilder(waveform.source, waveform.warnings)
            prepared = engine.prepare(Window(0.0, waveform.samples), request, visit.watch)
            if prepared is None or len(self._near_classifier) > 1:
                return findings, prepared, None
            self._metrics.count_batch(1)
            scores = visit.watch.run("classify", lambda: engine.classify(prepared.features))
            findings.add(0.0, prepared.transcript, scores)
            return findings, prepared, present(self._finish(visit, findings))

        findings, prepared, answer = await self.in_thread(visit, begin)
        if answer is not None:
            return answer
        if prepared is not None:
            findings.add(0.0, prepared.transcript, await self._classify(visit, prepared))
        return await self.in_thread(visit, lambda: present(self._finish(visit, findings)))

    async def _answer_beside(
        self,
        scorers: InferenceWorkerPool,
        visit: RequestContext,
        read: Callable[[], bytes],
        request: AnalysisRequest,
        present: Callable[[Analysis], _T],
    ) -> _T:
        """All of it in a process beside this one, several requests together; what proves to be long comes back."""
        came = time.perf_counter()

        def conclude(scored: WorkerOutput) -> _T:
            own_s = sum(each.spent_s for each in scored.stages)
            queued_s = visit.watch.timings_ms["queue"] / 1_000
            visit.watch.add("queue", max(0.0, time.perf_counter() - came - own_s - queued_s))
            for each in scored.stages:
                visit.watch.add(each.stage, each.spent_s, each.ended_ns)
            if isinstance(scored.found, AlignmentError):
                raise scored.found
            return present(self._finish(visit, scored.found))

        asked = Task(
            read=lambda: WorkerInput(read(), request),
            conclude=conclude,
            abandoned=lambda: visit.over,
            taken=partial(visit.watch.add, "queue"),
        )
        with suppress(AudioTooLongError):
            answer: _T = await self._wait(visit, scorers.submit(asked))
            return answer
        return await self._answer_given(visit, lambda: asked.recording.data, request, present)

    async def _analyse(
        self, visit: RequestContext, read: Callable[[], bytes], request: AnalysisRequest, observe: Observer
    ) -> ResultBuilder:
        waveform = await self._decode(visit, read, request.speakers)
        findings = ResultBuilder(waveform.source, waveform.warnings)
        stage, total_s = "recognise" if request.recognises else "align", waveform.source.duration_s
        observe(Progress(stage, 0.0, total_s))
        # Telling speakers apart, which comes before the first window, takes as long as recognition does.
        pool = self._slow if request.speakers == "diarize" else self._quick
        async for window in self._windows(visit, self._engine.cut(waveform, request, visit.watch), pool):
            for scored in await self.add_window(visit, window, request, findings):
                observe(scored)
            observe(Progress(stage, window.end_s, total_s))
        return findings

    async def add_window(
        self, visit: RequestContext, window: Window, request: AnalysisRequest, findings: ResultBuilder
    ) -> list[ScoredUtterance]:
        """A window through recognition, features and network; its utterances, none when nobody speaks."""
        pool = self._quick if request.words is not None else self._slow
        prepared = await self.in_thread(visit, lambda: self._engine.prepare(window, request, visit.watch), pool)
        if prepared is None:
            return []
        scores = await self._classify(visit, prepared)
        return findings.add(window.start_s, prepared.transcript, scores, window.speaker)

    async def _classify(self, visit: RequestContext, prepared: PreparedWindow) -> list[UtteranceScores]:
        started = time.perf_counter()
        self._near_classifier.discard(visit)
        scores = await self._wait(visit, self._classifier.submit(prepared.features))
        visit.watch.add("classify", time.perf_counter() - started)
        return scores

    async def _windows(
        self, visit: RequestContext, windows: Sequence[Window] | Iterator[Window], pool: ThreadPoolExecutor
    ) -> AsyncIterator[Window]:
        """Each window; where to cut is looked for in a thread, just before the window is needed."""
        if isinstance(windows, Sequence):
            for window in windows:
                yield window
            return
        while window := await self.in_thread(visit, partial(next, windows, None), pool):
            yield window

    async def _decode(self, visit: RequestContext, read: Callable[[], bytes], speakers: Speakers | None) -> Waveform:
        """Sound; the file's bytes are let go when this returns."""
        return await self.in_thread(
            visit, lambda: self._engine.decode(read(), visit.watch, speakers, abandoned=lambda: visit.over)
        )

    async def in_thread(
        self, visit: RequestContext, work: Callable[[], _T], pool: ThreadPoolExecutor | None = None
    ) -> _T:
        """`work` in a thread; the time until a thread was free counts as queue."""
        submitted = time.perf_counter()

        def timed() -> _T:
            visit.watch.add("queue", time.perf_counter() - submitted)
            return work()

        return await self._wait(visit, (pool or self._quick).submit(timed))

    @property
    def waiting(self) -> dict[str, int]:
        """How many pieces of work each stage's queue holds."""
        pools = {"prepare": self._quick, "recognise": self._slow}
        # A thread pool tells the length of its queue nowhere else.
        sizes = {name: pool._work_queue.qsize() for name, pool in pools.items()}
        beside = {"score": self._scorers.waiting} if self._scorers else {}
        return {**sizes, "classify": self._classifier.waiting, **beside}

    def close(self) -> None:
        """Ends threads and processes; what has not begun is dropped."""
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)
        self._classifier.close()
        if self._scorers:
            self._scorers.close()

    def _classify_together(self, requests: Sequence[Sequence[UtteranceFeatures]]) -> list[list[UtteranceScores]]:
        scores = iter(self._engine.classify([features for request in requests for features in request]))
        return [[next(scores) for _ in request] for request in requests]

    def _finish(self, visit: RequestContext, findings: ResultBuilder) -> Analysis:
        """The whole; it counts as answered."""
        analysis = findings.finish(visit.total())
        self._metrics.count_recording(analysis.source.duration_s, analysis.timings_ms)
        return analysis

    def _show_queues(self) -> None:
        self._metrics.watch("under_way", "Requests that hold a place.", lambda: self.under_way)
        for stage in self.waiting:
            text = "Pieces of work that wait for a worker."
            self._metrics.watch("queue_depth", text, partial(self._waiting_at, stage), stage=stage)

    def _waiting_at(self, stage: str) -> float:
        return self.waiting[stage]

    @staticmethod
    async def _wait(visit: RequestContext, future: "Future[_T]") -> _T:
        visit.work = future
        return await asyncio.wrap_future(future)
