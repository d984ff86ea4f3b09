"""Long recordings: window after window beside the requests, from where the last process stopped."""

import asyncio
import json
import math
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import structlog
from pydantic import TypeAdapter

from alignment.aligners.given import GIVEN
from alignment.audio import AudioFile, inspect_audio, probe_audio
from alignment.errors import NoSpeechError
from alignment.speech.windows import Window
from alignment.timing import SAMPLE_RATE_HZ
from service.errors import JobsFullError, JobsUnavailableError
from service.http.exception_handlers import problem_response
from service.inference.admission import RequestContext
from service.inference.engine import EmotionEngine
from service.inference.long_audio import cut_recording
from service.inference.request import read_fields
from service.inference.result import AnalysisRequest, ResultBuilder
from service.inference.scheduler import Scheduler
from service.jobs.store import DATABASE, Job, JobStore
from service.observability.metrics import Metrics
from service.observability.tracing import NoTraces, Traces
from service.results.schemas import Explain, UtteranceOut
from service.results.serialisation import present_utterance, present_whole
from service.settings import JobSettings

_SWEEP_S: Final = 60.0
log = structlog.stdlib.get_logger("service.jobs.runner")


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a caller said beside the recording, as it came."""

    words: str | None = None
    language: str | None = None
    aligner: str | None = None
    explain: Explain = "true"

    def read(self) -> AnalysisRequest:
        """Parsed; see `read_fields`."""
        return read_fields(None, self.words, self.language, self.aligner)


_REQUESTS: Final = TypeAdapter(JobRequest)
_SCORED: Final = TypeAdapter(tuple[float, UtteranceOut])
"""An utterance's exact duration and how it is told."""


class Jobs:
    """Takes jobs, and works on them while it is open."""

    def __init__(
        self,
        engine: EmotionEngine,
        stages: Scheduler,
        settings: JobSettings,
        metrics: Metrics,
        traces: Traces | None = None,
    ) -> None:
        """Touches no disk yet."""
        self._engine, self._stages, self._settings, self._metrics = engine, stages, settings, metrics
        self._traces = traces or NoTraces()
        self._store: JobStore | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self._usual_s = 60.0
        self._coming = 0
        metrics.watch(
            "jobs_waiting", "Jobs that have not ended.", lambda: self._store.count_open() if self._store else 0
        )

    def start(self) -> None:
        """Goes on with the jobs of an earlier process, when there are any."""
        if (self._settings.folder / DATABASE).exists():
            try:
                self._open()
            except JobsUnavailableError as error:
                log.warning("jobs are not worked on", detail=str(error))

    async def submit(self, recording: BinaryIO, asked: JobRequest, owner: str = "") -> Job:
        """A queued job.

        Raises:
            JobsFullError: too many wait.
            JobsUnavailableError: the folder cannot be used.
            AlignmentError, ServiceError: the recording is none, or the fields make no sense.
        """
        self._engine.check(asked.read())
        store = self._store or self._open()
        waiting = store.count_open() + self._coming
        if waiting >= self._settings.max_waiting:
            raise JobsFullError(waiting, max(1, math.ceil(self._usual_s)))
        self._coming += 1
        try:
            job = await asyncio.to_thread(self._add, store, recording, asked, owner)
        finally:
            self._coming -= 1
        self._news.set()
        return job

    def _add(self, store: JobStore, recording: BinaryIO, asked: JobRequest, owner: str) -> Job:
        """In a thread: nothing stays on disk when it fails."""
        job_id = uuid.uuid4().hex
        path = store.recording(job_id)
        try:
            _keep(recording, path)
            return store.add(job_id, _REQUESTS.dump_json(asked).decode(), owner)
        except OSError as exc:
            path.unlink(missing_ok=True)
            raise JobsUnavailableError(self._settings.folder, exc.strerror or str(exc)) from exc
        except JobsUnavailableError:
            path.unlink(missing_ok=True)
            raise

    async def find(self, job_id: str, owner: str = "") -> Job:
        """A job.

        Raises:
            UnknownJobError: there is none of that name for that owner.
            JobsUnavailableError: the folder cannot be used.
        """
        store = self._store or self._open()
        await asyncio.to_thread(store.forget_ended, self._settings.keep_s)
        return await asyncio.to_thread(store.find, job_id, owner)

    async def delete(self, job_id: str, owner: str = "") -> None:
        """Forgets a job; one that is worked on stops at the end of its window.

        Raises:
            UnknownJobError, JobsUnavailableError: as for `find`.
        """
        await self.find(job_id, owner)
        store = self._store or self._open()
        await asyncio.to_thread(store.delete, job_id)

    async def close(self) -> None:
        """Stops; what is under way goes on in the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._store:
            self._store.close()

    def _open(self) -> JobStore:
        if self._store is None:
            self._store = JobStore(self._settings.folder)
            # Not in the context of whoever's request it is that came first: its id would stand in every job's log.
            self._tasks = [
                asyncio.create_task(self._work(self._store), context=Context()) for _ in range(self._settings.workers)
            ]
            self._news.set()
        return self._store

    async def _work(self, store: JobStore) -> None:
        """One job after the other; a disk that is full for a while costs a while, and no job."""
        job: Job | None = None
        while True:
            # Before looking, or a job that comes just then would wait for the next one.
            self._news.clear()
            try:
                if job is not None:
                    await asyncio.to_thread(store.hand_back, job.id)
                while job := await asyncio.to_thread(store.take):
                    await self._run(store, job)
                await asyncio.to_thread(store.forget_ended, self._settings.keep_s)
            except JobsUnavailableError as error:
                log.warning("jobs cannot be worked on", detail=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _SWEEP_S)

    async def _run(self, store: JobStore, job: Job) -> None:
        """To its end, whatever that is; a task of its own keeps what nobody expects from ending the worker."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        task = asyncio.create_task(self._answer(store, job))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        error = task.exception()
        if isinstance(error, JobsUnavailableError):
            raise error
        if error is None:
            result = task.result()
            if result is not None:
                await asyncio.to_thread(store.finish, job.id, result=result)
        else:
            log.warning("job failed", job=job.id, error=type(error).__name__)
            document = bytes(problem_response(error, f"/jobs/{job.id}").body).decode()
            await asyncio.to_thread(store.finish, job.id, problem=document)
        self._usual_s = 0.5 * self._usual_s + 0.5 * (loop.time() - began)
        self._metrics.count_job("failed" if error else "done" if result is not None else "deleted")

    async def _answer(self, store: JobStore, job: Job) -> str | None:
        """The whole answer as JSON; None when the job was deleted meanwhile."""
        with self._traces.follow_job(job.id):
            return await self._answer_windows(store, job)

    async def _answer_windows(self, store: JobStore, job: Job) -> str | None:
        asked = _REQUESTS.validate_json(job.request)
        request = asked.read()
        audio = await asyncio.to_thread(inspect_audio, store.recording(job.id), self._settings.max_audio_s)
        await asyncio.to_thread(store.note_total, job.id, audio.source.duration_s)
        findings = ResultBuilder(audio.source, json.loads(job.warnings) if job.next_sample else audio.warnings)
        visit = self._stages.visit()
        windows = cut_recording(audio, request, self._engine.detector, job.next_sample)
        while piece := await asyncio.to_thread(next, windows, None):
            bodies = await self._answer_window(visit, piece, findings, asked.explain)
            [window, _] = piece
            end = round(window.start_s * SAMPLE_RATE_HZ) + len(window.samples)
            warnings = json.dumps(findings.warnings)
            if not await asyncio.to_thread(store.add_window, job.id, bodies, end, window.end_s, warnings):
                return None
        bodies = await asyncio.to_thread(store.utterances, job.id)
        return await asyncio.to_thread(self._write, bodies, audio, request, findings.warnings, visit)

    async def _answer_window(
        self, visit: RequestContext, piece: tuple[Window, AnalysisRequest], findings: ResultBuilder, explain: Explain
    ) -> list[str]:
        window, request = piece
        scored = await self._stages.add_window(visit, window, request, findings)

        def write() -> list[str]:
            told = [
                (each.utterance.duration_s, present_utterance(each, self._engine.bundle, explain)) for each in scored
            ]
            return [_SCORED.dump_json(entry, exclude_unset=True).decode() for entry in told]

        return await asyncio.to_thread(write)

    def _write(
        self,
        bodies: Sequence[str],
        audio: AudioFile,
        request: AnalysisRequest,
        warnings: Sequence[str],
        visit: RequestContext,
    ) -> str:
        if not bodies:
            raise NoSpeechError(audio.source.duration_s)
        scored = [_SCORED.validate_json(body) for body in bodies]
        overall = np.average(
            [list(utterance.probabilities.values()) for _, utterance in scored], 0, [duration for duration, _ in scored]
        )
        timings_ms = visit.total()
        self._metrics.count_recording(audio.source.duration_s, timings_ms)
        aligner = GIVEN if request.words is not None else self._engine.aligner
        whole = present_whole(
            overall, [told for _, told in scored], audio.source, aligner, warnings, timings_ms, self._engine
        )
        return whole.model_dump_json(exclude_unset=True)


def _keep(recording: BinaryIO, path: Path) -> None:
    """Copies an upload to where its job looks for it, whole or not at all."""
    part = path.with_suffix(".audio-part")
    try:
        with part.open("wb") as file:
            shutil.copyfileobj(recording, file, 2**20)
        probe_audio(part)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
