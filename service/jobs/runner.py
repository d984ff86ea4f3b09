"""Background analysis of long recordings, window by window; it resumes where the last process stopped."""

import asyncio
import json
import math
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from pathlib import Path
from typing import BinaryIO, Final

import structlog
from pydantic import TypeAdapter

from alignment.aligners.given import GIVEN
from alignment.audio import AudioFile, inspect_audio, probe_audio
from alignment.errors import NoSpeechError
from alignment.timing import SAMPLE_RATE_HZ
from can_ser_client.schemas import UtteranceOut
from model.atomic import atomic_file
from service.errors import JobsFullError, JobsUnavailableError
from service.inference.admission import RequestContext
from service.inference.engine import EmotionEngine, WindowLoop
from service.inference.long_audio import cut_recording
from service.inference.request import AnalysisRequest
from service.inference.result import ResultBuilder, WindowResult, average_by_duration
from service.inference.scheduler import Scheduler
from service.jobs.store import DATABASE, Job, JobStore
from service.observability.metrics import Metrics
from service.observability.tracing import NoTraces, Traces
from service.results.problems import to_problem
from service.results.serialisation import assemble_response, to_utterance
from service.results.uncertainty import Evidence, combine_evidence, find_evidence
from service.settings import JobSettings

_SWEEP_S: Final = 60.0
log = structlog.stdlib.get_logger("service.jobs.runner")
_STORED: Final = TypeAdapter(tuple[Evidence, UtteranceOut])
"""Evidence of an utterance, with its exact duration, and its serialised form."""


class JobRunner:
    """Accepts jobs, and processes them while it is open."""

    def __init__(
        self,
        engine: EmotionEngine,
        scheduler: Scheduler,
        settings: JobSettings,
        metrics: Metrics,
        traces: Traces | None = None,
    ) -> None:
        """Access no disk yet."""
        self._engine, self._scheduler, self._settings, self._metrics = engine, scheduler, settings, metrics
        self._traces = traces or NoTraces()
        self._store: JobStore | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._added = asyncio.Event()
        self._average_s = 60.0
        self._arriving = 0
        metrics.add_gauge(
            "jobs_waiting", "Jobs that have not ended.", lambda: self._store.count_open() if self._store else 0
        )

    def start(self) -> None:
        """Resume the jobs of an earlier process, if there are any."""
        if (self._settings.folder / DATABASE).exists():
            try:
                self._open()
            except JobsUnavailableError as error:
                log.warning("jobs cannot be processed", detail=str(error))

    async def submit(self, recording: BinaryIO, request: AnalysisRequest, owner: str = "") -> Job:
        """Queue a job.

        Raises:
            JobsFullError: Too many jobs are waiting.
            JobsUnavailableError: The folder cannot be used.
            AlignmentError, ServiceError: The recording is not audio, or the request cannot be processed.
        """
        self._engine.check(request)
        store = self._store or self._open()
        waiting = store.count_open() + self._arriving
        if waiting >= self._settings.max_waiting:
            raise JobsFullError(waiting, max(1, math.ceil(self._average_s)))
        self._arriving += 1
        try:
            job = await asyncio.to_thread(self._add, store, recording, request, owner)
        finally:
            self._arriving -= 1
        self._added.set()
        return job

    def _add(self, store: JobStore, recording: BinaryIO, request: AnalysisRequest, owner: str) -> Job:
        """Store a job, in a thread; nothing stays on disk where this fails."""
        job_id = uuid.uuid4().hex
        path = store.recording(job_id)
        try:
            _save(recording, path)
            return store.add(job_id, json.dumps(request.to_form()), owner)
        except OSError as exc:
            path.unlink(missing_ok=True)
            raise JobsUnavailableError(self._settings.folder, exc.strerror or str(exc)) from exc
        except JobsUnavailableError:
            path.unlink(missing_ok=True)
            raise

    async def find(self, job_id: str, owner: str = "") -> Job:
        """A job.

        Raises:
            UnknownJobError: The owner has no job of that id.
            JobsUnavailableError: The folder cannot be used.
        """
        store = self._store or self._open()
        await asyncio.to_thread(store.delete_expired, self._settings.keep_s)
        return await asyncio.to_thread(store.find, job_id, owner)

    async def delete(self, job_id: str, owner: str = "") -> None:
        """Delete a job; one that is running stops at the end of its window.

        Raises:
            UnknownJobError, JobsUnavailableError: As for `find`.
        """
        await self.find(job_id, owner)
        store = self._store or self._open()
        await asyncio.to_thread(store.delete, job_id)

    async def close(self) -> None:
        """Stop; running jobs resume in the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._store:
            self._store.close()

    def _open(self) -> JobStore:
        if self._store is None:
            self._store = JobStore(self._settings.folder)
            # An empty context: the id of the request that opened the store must not appear in the log of every job.
            self._tasks = [
                asyncio.create_task(self._work(self._store), context=Context()) for _ in range(self._settings.workers)
            ]
            self._added.set()
        return self._store

    async def _work(self, store: JobStore) -> None:
        """Process one job after the other; while the disk is full, jobs wait."""
        job: Job | None = None
        while True:
            # Cleared before the look-up, or a job added meanwhile would wait for the next one.
            self._added.clear()
            try:
                if job is not None:
                    await asyncio.to_thread(store.requeue, job.id)
                while job := await asyncio.to_thread(store.take):
                    await self._run(store, job)
                await asyncio.to_thread(store.delete_expired, self._settings.keep_s)
            except JobsUnavailableError as error:
                log.warning("jobs cannot be processed", detail=str(error))
            # Not `asyncio.wait_for`, which can swallow a cancellation in Python 3.11: the service would never stop.
            with suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_S):
                    await self._added.wait()

    async def _run(self, store: JobStore, job: Job) -> None:
        """Process a job to its end; in a task of its own, so that an unexpected error does not end the worker."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        task = asyncio.create_task(self._analyse(store, job))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        error = task.exception()
        if isinstance(error, JobsUnavailableError):
            raise error
        if error is None:
            response = task.result()
            if response is not None:
                await asyncio.to_thread(store.finish, job.id, result=response)
        else:
            log.warning("job failed", job=job.id, error=type(error).__name__)
            problem = to_problem(error, f"/jobs/{job.id}").model_dump_json()
            await asyncio.to_thread(store.finish, job.id, problem=problem)
        self._average_s = 0.5 * self._average_s + 0.5 * (loop.time() - began)
        self._metrics.count_job("failed" if error else "done" if response is not None else "deleted")

    async def _analyse(self, store: JobStore, job: Job) -> str | None:
        """The response as JSON; None when the job was deleted meanwhile."""
        with self._traces.trace_job(job.id):
            request = AnalysisRequest(**json.loads(job.request))
            audio = await asyncio.to_thread(inspect_audio, store.recording(job.id), self._settings.max_audio_s)
            await asyncio.to_thread(store.set_total, job.id, audio.source.duration_s)
            result = ResultBuilder(audio.source, json.loads(job.warnings) if job.next_sample else audio.warnings)
            context = self._scheduler.open_context()
            windows = cut_recording(audio, request, self._engine.detector, job.next_sample)
            loop = WindowLoop(self._engine, windows, result, context.stopwatch)
            async for window in self._scheduler.run_windows(context, loop, uses_aligner=request.words is None):
                if not await asyncio.to_thread(self._store_window, store, job.id, window, result, request):
                    return None
            utterances = await asyncio.to_thread(store.utterances, job.id)
            return await asyncio.to_thread(self._respond, utterances, audio, request, result.warnings, context)

    def _store_window(
        self, store: JobStore, job_id: str, found: WindowResult, result: ResultBuilder, request: AnalysisRequest
    ) -> bool:
        """Store the utterances of a window; False when the job was deleted."""
        utterances = [
            (find_evidence(each, self._engine.bundle.vocabulary), to_utterance(each, self._engine, request.explain))
            for each in found.utterances
        ]
        stored = [_STORED.dump_json(entry, exclude_unset=True).decode() for entry in utterances]
        window = found.window
        next_sample = round(window.start_s * SAMPLE_RATE_HZ) + len(window.samples)
        return store.add_window(job_id, stored, next_sample, window.end_s, json.dumps(result.warnings))

    def _respond(
        self,
        stored: Sequence[str],
        audio: AudioFile,
        request: AnalysisRequest,
        warnings: Sequence[str],
        context: RequestContext,
    ) -> str:
        if not stored:
            raise NoSpeechError(audio.source.duration_s)
        entries = [_STORED.validate_json(entry) for entry in stored]
        evidence = [each for each, _ in entries]
        probabilities = average_by_duration(
            [list(utterance.probabilities.values()) for _, utterance in entries], [each.spoken_s for each in evidence]
        )
        timings_ms = context.timings_ms()
        self._metrics.count_recording(audio.source.duration_s, timings_ms)
        aligner = GIVEN if request.words is not None else self._engine.aligner
        utterances = [utterance for _, utterance in entries]
        response = assemble_response(
            probabilities,
            combine_evidence(evidence),
            utterances,
            audio.source,
            aligner,
            warnings,
            timings_ms,
            self._engine,
        )
        return response.model_dump_json(exclude_unset=True)


def _save(recording: BinaryIO, path: Path) -> None:
    """Copy an upload to the place of its job, if it is audio."""
    with atomic_file(path) as part:
        with part.open("wb") as file:
            shutil.copyfileobj(recording, file, 2**20)
        probe_audio(part)
