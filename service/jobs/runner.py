"""Jobs in the background, one after the other; they resume where the last process stopped."""

import asyncio
import json
import math
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, suppress
from contextvars import Context
from functools import partial
from typing import Final

import structlog

from alignment.memory import return_memory
from service.errors import JobsFullError, JobsUnavailableError
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.inference.scheduler import Scheduler
from service.jobs.access import StoreAccess
from service.jobs.analysis import JobAnalysis
from service.jobs.callback_table import Callback, NewCallback
from service.jobs.callbacks import CallbackSender
from service.jobs.database import explain_failure
from service.jobs.job import Job, JobFilter, JobPage
from service.jobs.store import JobStore
from service.jobs.uploads import JobUpload, remove_all, save_all
from service.observability.failures import outline_traceback
from service.observability.metrics import Metrics
from service.observability.tracing import NoTraces, Traces
from service.results.problems import find_problem, to_problem
from service.setting_groups import JobSettings

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
        self,
        uploads: Sequence[JobUpload],
        request: AnalysisRequest,
        owner: str = "",
        callback: NewCallback | None = None,
    ) -> list[Job]:
        """Queue a job for each recording, or none.

        Args:
            uploads: The recordings.
            request: What is known about each of them.
            owner: Name of the API key.
            callback: Receiver of a message when each job has ended.

        Raises:
            CallbackRefusedError: Callbacks may not be sent to this address.
            JobsFullError: There is no room for all of them.
            JobsUnavailableError: The folder cannot be used.
            AlignmentError, ServiceError: A recording is not audio, or the request cannot be processed.
        """
        self._engine.check(request)
        if callback is not None:
            self._callbacks.check(callback.url)
        await self.require_capacity(owner, len(uploads))
        self._arriving[owner] += len(uploads)
        try:
            jobs = await self._add(uploads, json.dumps(request.to_form()), owner, callback)
        finally:
            self._arriving[owner] -= len(uploads)
        self._added.set()
        return jobs

    async def require_capacity(self, owner: str, count: int = 1) -> None:
        """Raise unless so many further jobs may wait.

        Raises:
            JobsFullError: They may not.
            JobsUnavailableError: The folder cannot be used.
        """
        waiting = await self._access.call(JobStore.count_open) + self._arriving.total()
        retry_after_s = max(1, math.ceil(self._average_s))
        if waiting + count > self._settings.max_waiting:
            raise JobsFullError(waiting, retry_after_s, count, self._settings.max_waiting)
        if not owner:
            return
        own = await self._access.call(partial(JobStore.count_open, owner=owner)) + self._arriving[owner]
        if own + count > self._owner_waiting:
            raise JobsFullError(own, retry_after_s, count, self._owner_waiting)

    async def _add(
        self, uploads: Sequence[JobUpload], request: str, owner: str, callback: NewCallback | None
    ) -> list[Job]:
        """Store recordings and their jobs; nothing stays on disk where this fails."""
        await self._access.call(JobStore.require_space)
        ids = [uuid.uuid4().hex for _ in uploads]
        paths = await self._access.call(lambda store: [store.recording(job_id) for job_id in ids])
        named = [(job_id, upload.name) for job_id, upload in zip(ids, uploads, strict=True)]
        with ExitStack() as undo:
            undo.callback(remove_all, paths)
            try:
                await asyncio.to_thread(save_all, uploads, paths)
            except OSError as exc:
                raise explain_failure(self._settings.folder, exc) from exc
            jobs = await self._access.call(lambda store: store.add_all(named, request, owner, callback))
            undo.pop_all()
        self._open_jobs = await self._access.call(JobStore.count_open)
        return jobs

    async def read_page(self, wanted: JobFilter) -> JobPage:
        """A page of the jobs of an owner, newest first.

        Raises:
            JobsUnavailableError: The folder cannot be used.
        """
        return await self._access.call(lambda store: store.read_page(wanted))

    async def find(self, job_id: str, owner: str = "") -> Job:
        """A job.

        Raises:
            UnknownJobError: The owner has no job of that id.
            JobsUnavailableError: The folder cannot be used.
        """
        return await self._access.call(lambda store: store.find(job_id, owner))

    async def find_with_callback(self, job_id: str, owner: str = "") -> tuple[Job, Callback | None]:
        """A job and its callback, None without one, in one access: clients poll.

        Raises:
            UnknownJobError, JobsUnavailableError: As for `find`.
        """
        return await self._access.call(lambda store: (store.find(job_id, owner), store.callbacks.find(job_id)))

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
                        # Here, where neither its analysis nor its response is held any more.
                        await asyncio.to_thread(return_memory)
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
