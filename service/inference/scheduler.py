"""Requests through the engine without blocking the event loop.

Decoding and features run in one pool of threads, recognition in another, and large recordings in a third
(`service.inference.executor`). The network scores batches over all requests (`alignment.batcher.Batcher`). While
several requests with given words are in progress, worker processes score the small ones
(`service.inference.worker_pool`).
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from alignment.batcher import Batcher
from alignment.features.extraction import UtteranceFeatures
from alignment.memory import collect_memory
from alignment.priority import Priority
from alignment.timing import Seconds
from model.occlusion import add_effects
from model.scores import UtteranceScores
from service.errors import ScorersUnavailableError
from service.inference.admission import AdmissionControl, RequestContext
from service.inference.decoding import LargeRecordingError, decode_small
from service.inference.engine import EmotionEngine
from service.inference.executor import Executor, Pool, wait_for
from service.inference.request import AnalysisRequest
from service.inference.result import AnalysisResult, ResultBuilder, ScoredUtterance, WindowResult
from service.inference.window_loop import PreparedWindow, WindowEngine, WindowLoop
from service.inference.worker_pool import InferenceWorkerPool, Task, Upload, is_small
from service.observability.metrics import Metrics
from service.observability.stopwatch import Stopwatch
from service.observability.tracing import NoTraces, Traces
from service.settings import Settings

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a recording: the current stage, and how much of the audio is done."""

    stage: str
    done_s: Seconds
    total_s: Seconds


_Classifier = Batcher[Sequence[UtteranceFeatures], list[UtteranceScores]]
ProgressListener = Callable[[Progress | ScoredUtterance], None]


class Scheduler:
    """Processes a bounded number of requests at once; further ones are refused with a time after which to retry."""

    def __init__(
        self, engine: EmotionEngine, settings: Settings, metrics: Metrics | None = None, traces: Traces | None = None
    ) -> None:
        """Start threads."""
        self._engine = engine
        self._traces = traces or NoTraces()
        self._metrics = metrics or Metrics()
        self._executor = Executor(engine.aligner_calls_at_once)
        self.admission = AdmissionControl(settings.max_waiting, settings.deadline_s)
        self._classifiers = {id(each): self._open_classifier(each, settings) for each in engine.by_bundle.values()}
        self._workers = InferenceWorkerPool(settings, self._metrics.count_batch) if settings.scorers else None
        # Decoded large recordings at once, which bounds the memory that they take.
        self._large = asyncio.Semaphore(max(os.cpu_count() or 1, engine.aligner_calls_at_once))
        self._with_words: set[RequestContext] = set()
        self._before_classifier: set[RequestContext] = set()
        self._export_queues()

    def _open_classifier(self, engine: EmotionEngine, settings: Settings) -> _Classifier:
        """The batches of one bundle."""
        return Batcher(
            "classify",
            partial(_classify_batch, engine),
            max_items=settings.batch.max_requests,
            linger_s=settings.batch.linger_ms / 1_000,
            pending=lambda: len(self._before_classifier),
            on_batch=self._metrics.count_batch,
            workers=engine.classifier.calls_at_once,
        )

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[RequestContext]:
        """Admit one request; see `AdmissionControl.admit`."""
        context = self.open_context()
        async with self.admission.admit(context):
            try:
                yield context
            finally:
                self._with_words.discard(context)
                self._before_classifier.discard(context)

    def open_context(self, priority: Priority = Priority.REQUEST) -> RequestContext:
        """State of one request, live utterance or job, whose stages are traced."""
        return RequestContext(Stopwatch({"queue": 0.0}, self._traces.record_stages()), priority)

    def warm_up(self) -> None:
        """Start the worker processes and run each once; the engine has been warmed up before.

        Raises:
            AlignmentError, ModelError, WorkerFailedError: A process cannot score.
        """
        if self._workers:
            self._workers.start(self._engine.bundle.version)

    async def analyse(
        self,
        context: RequestContext,
        upload: Upload,
        request: AnalysisRequest,
        on_progress: ProgressListener | None = None,
    ) -> AnalysisResult:
        """Analyse a recording, as `EmotionEngine.analyse` does.

        Args:
            context: State of the admitted request.
            upload: The recording.
            request: What is known about it.
            on_progress: Called in the event loop with the progress, and with each utterance when it is scored.

        Raises:
            AlignmentError, ModelError, ServiceError: See `EmotionEngine.analyse` and `InferenceWorkerPool.submit`.
        """
        self._engine.check(request)
        if request.words is not None:
            self._with_words.add(context)
            self._before_classifier.add(context)

        async with AsyncExitStack() as slot:
            result = await self._analyse(Task(upload, request, context), slot, on_progress)
        analysis = result.finish(context.timings_ms())
        self._metrics.count_recording(analysis.source.duration_s, analysis.timings_ms)
        self._metrics.count_bundles([each.bundle for each in (analysis, *analysis.others)])
        return analysis

    async def _analyse(self, task: Task, slot: AsyncExitStack, on_progress: ProgressListener | None) -> ResultBuilder:
        context, request = task.context, task.request
        if request.words is None or on_progress is not None:
            return await self._analyse_windows(task, slot, on_progress or (lambda _: None))
        several = len(self._with_words) > 1
        default = self._engine.choose(request) == (self._engine,)
        if self._workers and not self.trouble and several and default and is_small(task.upload, request):
            self._before_classifier.discard(context)
            # A thread scores where no process can, or where the recording is large.
            with suppress(LargeRecordingError, ScorersUnavailableError):
                return await wait_for(context, self._workers.submit(task))
        return await self._analyse_given(task, slot)

    async def _analyse_given(self, task: Task, slot: AsyncExitStack) -> ResultBuilder:
        """Given words: while no other request is about to be classified, one thread does everything at once."""
        context = task.context

        def begin(loop: WindowLoop) -> tuple[WindowLoop, PreparedWindow | None]:
            prepared = loop.prepare()
            if prepared is None or prepared.occludes or prepared.others or len(self._before_classifier) > 1:
                return loop, prepared
            self._metrics.count_batch(1)
            classify = partial(prepared.engine.classify, prepared.features)
            loop.add(prepared, context.stopwatch.run("classify", classify))
            return loop, None

        (loop, prepared), _ = await self._open(task, slot, begin)
        if prepared is not None:
            await self._score_window(context, loop, prepared)
        return loop.result

    async def _analyse_windows(self, task: Task, slot: AsyncExitStack, notify: ProgressListener) -> ResultBuilder:
        context, request = task.context, task.request
        loop, pool = await self._open(task, slot, lambda loop: loop)
        stage, total_s = "recognise" if request.recognises else "align", loop.result.source.duration_s
        notify(Progress(stage, 0.0, total_s))
        async for result in self.run_windows(context, loop, "recognise" if request.words is None else pool):
            for scored in result.utterances:
                notify(scored)
            notify(Progress(stage, result.window.end_s, total_s))
        return loop.result

    async def run_windows(
        self, context: RequestContext, loop: WindowLoop, pool: Pool = "recognise"
    ) -> AsyncIterator[WindowResult]:
        """Results of the windows of a loop, each prepared in a thread and scored with those of other requests.

        Args:
            context: State of the request.
            loop: Windows to process.
            pool: Threads that prepare them: "recognise" where they use the aligner.
        """
        while (prepared := await self._executor.run(context, loop.prepare, pool)) is not None:
            yield await self._score_window(context, loop, prepared)

    async def run(self, context: RequestContext, work: Callable[[], _T]) -> _T:
        """Return the result of quick work in a thread, such as serialisation."""
        return await self._executor.run(context, work)

    async def _open(self, task: Task, slot: AsyncExitStack, begin: Callable[[WindowLoop], _T]) -> tuple[_T, Pool]:
        """Decode a recording and begin its analysis in the same thread; a large one waits for a slot first.

        Args:
            task: The recording.
            slot: Releases the recording, and the slot of a large one.
            begin: Called with the loop over its windows.

        Returns:
            Result of `begin`, and the pool that it ran in.
        """
        context = task.context
        with suppress(LargeRecordingError):
            return await self._executor.run(context, lambda: begin(self._decode(task, slot, small=True))), "prepare"
        slot.callback(self._executor.run_later, collect_memory, "large")
        waiting_since = time.perf_counter()
        await slot.enter_async_context(self._large)
        context.stopwatch.add("queue", time.perf_counter() - waiting_since)
        return await self._executor.run(context, lambda: begin(self._decode(task, slot, small=False)), "large"), "large"

    def _decode(self, task: Task, slot: AsyncExitStack, *, small: bool) -> WindowLoop:
        """Read and decode a recording; its bytes are released when this returns."""
        context, request, stopwatch = task.context, task.request, task.context.stopwatch
        decode = partial(decode_small, self._engine, busy=self._executor.is_busy) if small else self._engine.decode
        waveform = decode(task.read(), request, stopwatch, cancelled=lambda: context.cancelled)
        loop = self._engine.start(waveform, request, stopwatch)
        slot.callback(loop.close)
        return loop

    async def _score_window(self, context: RequestContext, loop: WindowLoop, prepared: PreparedWindow) -> WindowResult:
        """Score a window with every requested bundle and add it to its recording."""
        scores, *others = [await self._score(context, each) for each in (prepared, *prepared.others)]
        return loop.add(prepared, scores, others)

    async def _score(self, context: RequestContext, prepared: PreparedWindow) -> list[UtteranceScores]:
        """As `EmotionEngine.score`; variants are built in a thread, and scored in chunks with other requests."""
        if not prepared.features:
            return []
        engine = prepared.engine
        scores = await self._classify(context, engine, prepared.features)
        if not prepared.occludes:
            return scores
        chunks, variants = engine.occlude(prepared), list[UtteranceScores]()
        while (chunk := await self._executor.run(context, partial(next, chunks, None))) is not None:
            variants += await self._classify(context, engine, chunk)
        return add_effects(scores, variants)

    async def _classify(
        self, context: RequestContext, engine: WindowEngine, features: Sequence[UtteranceFeatures]
    ) -> list[UtteranceScores]:
        started = time.perf_counter()
        self._before_classifier.discard(context)
        scores = await wait_for(context, self._classifiers[id(engine)].submit(features, context.priority))
        context.stopwatch.add("classify", time.perf_counter() - started)
        return scores

    @property
    def waiting(self) -> dict[str, int]:
        """Length of the queue of each stage."""
        workers = {"score": self._workers.waiting} if self._workers else {}
        return {
            **self._executor.waiting,
            "classify": sum(each.waiting for each in self._classifiers.values()),
            **workers,
        }

    @property
    def trouble(self) -> str:
        """Why worker processes cannot score any more, while threads still do; "" without trouble."""
        return self._workers.trouble if self._workers else ""

    def close(self) -> None:
        """End threads and processes; work that has not begun is dropped."""
        self._executor.close()
        for classifier in self._classifiers.values():
            classifier.close()
        if self._workers:
            self._workers.close()

    def _export_queues(self) -> None:
        self._metrics.add_gauge(
            "under_way", "Requests that are admitted and not finished.", lambda: self.admission.in_progress
        )
        for stage in self.waiting:
            waiting = partial(lambda stage: self.waiting[stage], stage)
            self._metrics.add_gauge("queue_depth", "Work items waiting for a worker.", waiting, stage=stage)


def _classify_batch(
    engine: EmotionEngine, requests: Sequence[Sequence[UtteranceFeatures]]
) -> list[list[UtteranceScores]]:
    scores = iter(engine.classify([features for request in requests for features in request]))
    return [[next(scores) for _ in request] for request in requests]
