"""Jobs in the background, one after the other; they resume where the last process stopped."""

import asyncio
import json
import math
import shutil
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from contextvars import Context
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from alignment.audio import probe_audio
from model.atomic import atomic_file
from service.errors import JobsFullError, JobsUnavailableError
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.inference.scheduler import Scheduler
from service.jobs.access import StoreAccess
from service.jobs.analysis import JobAnalysis
from service.jobs.callback_table import Callback, NewCallback
from service.jobs.callbacks import CallbackSender
from service.jobs.database import explain_failure
from service.jobs.privacy import create_private
from service.jobs.store import Job, JobStore
from service.observability.failures import outline_traceback
from service.observability.metrics import Metrics
from service.observability.tracing import NoTraces, Traces
from service.results.problems import find_problem, to_problem
from service.settings import JobSettings

_SWEEP_S: Final = 60.0
_PIECE_BYTES: Final = 262_144
log = structlog.stdlib.get_logger("service.jobs.runner")


class JobRunner:
    """Accepts jobs, and processes them while it is started."""

    def __init__(
        self,
        engine: EmotionEngine,
        scheduler: Scheduler,
        settings: JobSettings,
        metrics: Metrics,
        traces: Traces | None = None,
        *,
        owner_waiting: int | None = None,
    ) -> None:
        """Access no disk yet.

        Args:
            engine: The models.
            scheduler: Schedules their use.
            settings: Folder and limits.
            metrics: Counts jobs.
            traces: None records none.
            owner_waiting: Jobs of one API key that may wait or run; None for as many as of all keys.

        Raises:
            SettingsError: Callbacks are allowed, and their secret cannot be used.
        """
        self._owner_waiting = owner_waiting or settings.max_waiting
        self._engine, self._settings, self._metrics = engine, settings, metrics
        self._traces = traces or NoTraces()
        self._access = StoreAccess(settings.folder, settings.keep_s)
        self._analysis = JobAnalysis(engine, scheduler, self._access, metrics, settings.max_audio_s)
        self._callbacks = CallbackSender(self._access, settings, metrics)
        self._tasks: list[asyncio.Task[None]] = []
        self._added = asyncio.Event()
        self._average_s = 60.0
        self._arriving: Counter[str] = Counter()
        self._open_jobs = 0
        self._trouble = ""
        metrics.add_gauge("jobs_waiting", "Jobs that have not ended.", lambda: self._open_jobs)

    @property
    def trouble(self) -> str:
        """Why jobs cannot be stored or processed at present; empty where they can."""
        return self._access.trouble or self._trouble

    async def start(self) -> None:
        """Process jobs, those of an earlier process first; no other process can use the folder from now on."""
        await self._access.check()
        # An empty context: the id of a request must not appear in the log of every job.
        loops = [self._callbacks.run(), *(self._work() for _ in range(self._settings.workers))]
        self._tasks = [asyncio.create_task(loop, context=Context()) for loop in loops]

    async def submit(
        self, recording: BinaryIO, request: AnalysisRequest, owner: str = "", callback: NewCallback | None = None
    ) -> Job:
        """Queue a job.

        Args:
            recording: The audio file.
            request: What is known about it.
            owner: Name of the API key.
            callback: Receiver of a message when the job has ended.

        Raises:
            CallbackRefusedError: Callbacks may not be sent to this address.
            JobsFullError: Too many jobs are waiting.
            JobsUnavailableError: The folder cannot be used.
            AlignmentError, ServiceError: The recording is not audio, or the request cannot be processed.
        """
        self._engine.check(request)
        if callback is not None:
            self._callbacks.check(callback.url)
        await self._require_capacity(owner)
        self._arriving[owner] += 1
        try:
            job = await self._add(recording, json.dumps(request.to_form()), owner, callback)
        finally:
            self._arriving[owner] -= 1
        self._added.set()
        return job

    async def _require_capacity(self, owner: str) -> None:
        waiting = await self._access.call(JobStore.count_open) + self._arriving.total()
        own = 0
        if owner:
            own = await self._access.call(partial(JobStore.count_open, owner=owner)) + self._arriving[owner]
        if waiting >= self._settings.max_waiting or own >= self._owner_waiting:
            raise JobsFullError(own or waiting, max(1, math.ceil(self._average_s)))

    async def _add(self, recording: BinaryIO, request: str, owner: str, callback: NewCallback | None) -> Job:
        """Store a recording and its job; nothing stays on disk where this fails."""
        job_id = uuid.uuid4().hex
        await self._access.call(JobStore.require_space)
        path = await self._access.call(lambda store: store.recording(job_id))
        try:
            await asyncio.to_thread(_save, recording, path)
            job = await self._access.call(lambda store: store.add(job_id, request, owner, callback))
        except OSError as exc:
            path.unlink(missing_ok=True)
            raise explain_failure(self._settings.folder, exc) from exc
        except JobsUnavailableError:
            path.unlink(missing_ok=True)
            raise
        self._open_jobs = await self._access.call(JobStore.count_open)
        return job

    async def find(self, job_id: str, owner: str = "") -> Job:
        """A job.

        Raises:
            UnknownJobError: The owner has no job of that id.
            JobsUnavailableError: The folder cannot be used.
        """
        return await self._access.call(lambda store: store.find(job_id, owner))

    async def find_callback(self, job_id: str) -> Callback | None:
        """The callback of a job; None without one.

        Raises:
            JobsUnavailableError: As for `find`.
        """
        return await self._access.call(lambda store: store.callbacks.find(job_id))

    async def count_result(self, job_id: str) -> int:
        """Length of the response of a job that is done, in bytes.

        Raises:
            UnknownJobError, JobsUnavailableError: As for `find`.
        """
        return await self._access.call(partial(JobStore.count_result, job_id=job_id))

    async def read_result(self, job_id: str, length: int) -> AsyncIterator[bytes]:
        """Read so many bytes of the response from disk, piece by piece.

        Raises:
            UnknownJobError, JobsUnavailableError: As for `find`.
        """
        for start in range(0, length, _PIECE_BYTES):
            yield await self._access.call(
                partial(JobStore.read_result, job_id=job_id, start=start, length=_PIECE_BYTES)
            )

    async def delete(self, job_id: str, owner: str = "") -> None:
        """Delete a job; one that is running stops at the end of its window.

        Raises:
            UnknownJobError, JobsUnavailableError: As for `find`.
        """
        await self.find(job_id, owner)
        await self._access.call(lambda store: store.delete(job_id))
        self._open_jobs = await self._access.call(JobStore.count_open)

    async def close(self) -> None:
        """Stop; running jobs resume in the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._access.close()

    async def _work(self) -> None:
        """Process one job after the other; while the disk is full, jobs wait."""
        job: Job | None = None
        while True:
            # Cleared before the look-up, or a job added meanwhile would wait for the next one.
            self._added.clear()
            try:
                if self._access.is_open or self._access.trouble:
                    if job is not None:
                        await self._access.call(partial(JobStore.requeue, job_id=job.id))
                        job = None
                    while job := await self._access.call(JobStore.take):
                        await self._run(job)
                    await self._access.call(JobStore.delete_expired)
                    self._trouble = ""
            except JobsUnavailableError as error:
                self._trouble = str(error)
                log.warning("jobs cannot be processed", detail=str(error))
            # Not `asyncio.wait_for`, which can swallow a cancellation in Python 3.11: the service would never stop.
            with suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_S):
                    await self._added.wait()

    async def _run(self, job: Job) -> None:
        """Process a job to its end; in a task of its own, so that an unexpected error does not end the worker."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        task = asyncio.create_task(self._analyse(job))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        error = task.exception()
        if isinstance(error, JobsUnavailableError):
            raise error
        status = await (self._finish(job, task.result()) if error is None else self._fail(job, error))
        await self._access.call(partial(JobStore.delete_beyond, limit_bytes=self._settings.keep_bytes))
        self._open_jobs = await self._access.call(JobStore.count_open)
        self._average_s = 0.5 * self._average_s + 0.5 * (loop.time() - began)
        self._metrics.count_job(status)
        self._callbacks.wake()

    async def _analyse(self, job: Job) -> str | None:
        with self._traces.trace_job(job.id):
            return await self._analysis.run(job)

    async def _finish(self, job: Job, response: str | None) -> str:
        """Store a response; returns the status for the metrics."""
        if response is None:
            return "deleted"
        stored = await self._access.call(partial(JobStore.finish, job_id=job.id, result=response))
        return "done" if stored else "deleted"

    async def _fail(self, job: Job, error: BaseException) -> str:
        """Store why a job failed; a job that was deleted meanwhile, and its recording with it, has not failed."""
        problem = to_problem(error, f"/jobs/{job.id}", f"the job id {job.id}").model_dump_json()
        if not await self._access.call(partial(JobStore.finish, job_id=job.id, problem=problem)):
            return "deleted"
        if find_problem(error) is None:
            log.error("unexpected error in a job", job=job.id, traceback=outline_traceback(error))
        else:
            log.warning("job failed", job=job.id, error=type(error).__name__)
        return "failed"


def _save(recording: BinaryIO, path: Path) -> None:
    """Copy an upload to the place of its job, if it is audio."""
    with atomic_file(path) as part:
        with create_private(part) as file:
            shutil.copyfileobj(recording, file, 2**20)
        probe_audio(part)
