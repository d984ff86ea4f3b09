"""State of the application from start to stop: models load in the background while health checks respond."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog
from fastapi import FastAPI

from alignment.errors import CanSerError
from service.errors import BusyError, LiveFullError, NotReadyError, ScorersUnavailableError, ServiceError
from service.exports.conversion import Converter
from service.http.live_session import SharedLimits
from service.inference.engine import EmotionEngine
from service.inference.executor import half_of_cores
from service.inference.places import Places
from service.inference.scheduler import Scheduler
from service.jobs.runner import JobRunner
from service.observability.metrics import Metrics
from service.observability.tracing import NoTraces, Traces
from service.settings import Settings

_RETRY_AFTER_S: Final = 5
_UNLOADED: Final = "the models of {} are unloaded, because they were not used; the next request loads them"
_BROKEN: Final = (
    "the aligner {} cannot run: {}; see the log; it is tried again every half minute, and until then only recordings "
    "with `words` are analysed"
)
_EXPORTS: Final = 16
log = structlog.stdlib.get_logger("service")


class AppState:
    """The engine, its scheduler and jobs, and whether the models are ready."""

    def __init__(
        self, engine: EmotionEngine, settings: Settings, traces: Traces | None = None, *, keeps_jobs: bool = True
    ) -> None:
        """Load nothing yet; see `create_app` and `Scheduler`."""
        self._keeps_jobs = keeps_jobs
        self.engine = engine
        self.settings = settings
        self.metrics = Metrics()
        self.traces = traces or NoTraces()
        self.scheduler = Scheduler(engine, settings, self.metrics, self.traces)
        self.jobs = JobRunner(
            engine,
            self.scheduler,
            settings.jobs,
            self.metrics,
            self.traces,
            owner_waiting=settings.owner_limit(settings.jobs.max_waiting),
        )
        self.requests = self._bound(settings.max_waiting, lambda limit: BusyError(limit, _RETRY_AFTER_S))
        self.reads = self._bound(settings.jobs.max_reads, lambda limit: BusyError(limit, _RETRY_AFTER_S))
        self.exports = self._bound(_EXPORTS, lambda limit: BusyError(limit, _RETRY_AFTER_S))
        self.conversions = asyncio.Semaphore(half_of_cores())
        self.converter = Converter()
        self.live_limits = SharedLimits()
        self.live = self._bound(settings.live.max_connections, LiveFullError)
        self.metrics.add_gauge("live_connections", "Open live connections.", lambda: self.live.held)
        self.metrics.add_gauge(
            "aligner_loaded", "1 while the models of the aligner are in memory.", lambda: self.engine.aligner_loaded
        )
        self._reason = "the models are loading"
        self._ready = False
        self.failed = False
        self.on_ready: Callable[[], None] = lambda: None

    def _bound(self, limit: int, full: Callable[[int], ServiceError]) -> Places:
        return Places(limit, self.settings.owner_limit(limit), full)

    @property
    def live_connections(self) -> int:
        """Number of live connections."""
        return self.live.held

    @property
    def ready(self) -> bool:
        """Whether every model has been run once."""
        return self._ready

    async def require_job_capacity(self, owner: str) -> None:
        """Raise unless a further job may wait; where the service offers no jobs, the request gets a 404 later.

        Raises:
            JobsFullError, JobsUnavailableError: See `JobRunner.require_capacity`.
        """
        if self._keeps_jobs:
            await self.jobs.require_capacity(owner)

    def require_ready(self) -> None:
        """Raise unless the models are ready.

        Raises:
            NotReadyError: They are not ready yet, or the service is stopping.
        """
        if not self._ready:
            raise NotReadyError(self._reason)

    def require_healthy(self) -> None:
        """Raise unless the models are ready and all processes work; requests may be accepted nevertheless.

        Raises:
            NotReadyError: See `require_ready`; or worker processes cannot score, so that threads do it; or the aligner
                cannot run, so that requests need `words`.
        """
        self.require_ready()
        if self.scheduler.trouble:
            raise NotReadyError(str(ScorersUnavailableError(self.scheduler.trouble)))
        if self.engine.aligner_trouble:
            raise NotReadyError(_BROKEN.format(self.engine.aligner.name, self.engine.aligner_trouble))

    @property
    def details(self) -> list[str]:
        """What is not available at present, although requests are accepted."""
        unloaded = "" if self.engine.aligner_loaded else _UNLOADED.format(self.engine.aligner.name)
        return [text for text in (self.jobs.trouble, unloaded) if text]

    async def warm_up(self) -> None:
        """Run every model once, then accept requests.

        Raises:
            CanSerError: A model cannot run.
        """
        bundle, aligner = self.engine.bundle, self.engine.aligner
        log.info(
            "loading models",
            bundle=",".join(self.engine.by_bundle),
            aligner=aligner.name,
            aligner_reason=aligner.reason,
        )
        await asyncio.to_thread(self.engine.warm_up)
        await asyncio.to_thread(self.scheduler.warm_up)
        await asyncio.to_thread(self.on_ready)
        if self._keeps_jobs:
            await self.jobs.start()
        self._ready = True
        self.metrics.set_model_info(
            name=bundle.config.name,
            version=bundle.version,
            provider=self.engine.classifier.provider,
            aligner=f"{aligner.name} {aligner.model}",
            bundles=",".join(self.engine.by_bundle),
        )
        log.info(
            "ready", provider=self.engine.classifier.provider, version=bundle.version, scorers=self.settings.scorers
        )

    def after_warm_up(self, task: "asyncio.Task[None]") -> None:
        """End the process when a model cannot run; it would never become ready."""
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        self._reason, self.failed = str(error), True
        unexpected = None if isinstance(error, CanSerError) else error
        log.critical("models cannot be used", error=type(error).__name__, detail=str(error), exc_info=unexpected)
        os.kill(os.getpid(), signal.SIGTERM)

    async def stop(self) -> None:
        """Refuse requests and end threads and processes."""
        self._ready, self._reason = False, "the service is stopping"
        await self.jobs.close()
        self.scheduler.close()
        self.converter.close()
        self.engine.close()
        await asyncio.to_thread(self.traces.close)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Warm up in the background of the running server; stop with it."""
    state: AppState = app.state.can_ser
    warm_up = asyncio.create_task(state.warm_up())
    warm_up.add_done_callback(state.after_warm_up)
    yield
    warm_up.cancel()
    await state.stop()
