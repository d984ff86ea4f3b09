"""From start to stop: models load in the background, so that health checks answer from the first moment."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI

from alignment.errors import AlignmentError
from model.errors import ModelError
from service.errors import NotReadyError, WorkerFailedError
from service.inference.engine import EmotionEngine
from service.inference.scheduler import Scheduler
from service.jobs.runner import Jobs
from service.observability.metrics import Metrics
from service.observability.tracing import NoTraces, Traces
from service.settings import Settings

log = structlog.stdlib.get_logger("service")


class AppState:
    """An engine, its stages, and whether they are ready."""

    def __init__(
        self,
        engine: EmotionEngine,
        settings: Settings,
        traces: Traces | None = None,
        *,
        keeps_jobs: bool = True,
    ) -> None:
        """Loads nothing yet; see `create_app` and `Scheduler`."""
        self._keeps_jobs = keeps_jobs
        self.engine = engine
        self.settings = settings
        self.metrics = Metrics()
        self.traces = traces or NoTraces()
        self.stages = Scheduler(engine, settings, self.metrics, self.traces)
        self.jobs = Jobs(engine, self.stages, settings.jobs, self.metrics, self.traces)
        self.live_connections = 0
        self.metrics.watch("live_connections", "Live connections that are open.", lambda: self.live_connections)
        self._reason = "the models are loading"
        self._ready = False
        self.failed = False
        self.on_ready: Callable[[], None] = lambda: None

    @property
    def ready(self) -> bool:
        """Whether every model has answered its warm-up."""
        return self._ready

    def require_ready(self) -> None:
        """Passes when requests can be answered.

        Raises:
            NotReadyError: not yet, or not any more.
        """
        if not self._ready:
            raise NotReadyError(self._reason)

    async def warm_up(self) -> None:
        """Has every model answer once, then opens the doors.

        Raises:
            AlignmentError, ModelError, WorkerFailedError: a model cannot answer.
        """
        bundle, aligner = self.engine.bundle, self.engine.aligner
        log.info("loading", bundle=bundle.config.name, aligner=aligner.name, aligner_reason=aligner.reason)
        await asyncio.to_thread(self.engine.warm_up)
        await asyncio.to_thread(self.stages.warm_up)
        await asyncio.to_thread(self.on_ready)
        self._ready = True
        if self._keeps_jobs:
            self.jobs.start()
        self.metrics.name_model(
            name=bundle.config.name,
            version=bundle.version,
            provider=self.engine.classifier.provider,
            aligner=f"{aligner.name} {aligner.model}",
        )
        log.info(
            "ready", provider=self.engine.classifier.provider, version=bundle.version, scorers=self.settings.scorers
        )

    def after_warm_up(self, task: "asyncio.Task[None]") -> None:
        """Whatever kept a model from answering ends the process: it would only ever say that it is not ready."""
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        self._reason, self.failed = str(error), True
        unexpected = None if isinstance(error, AlignmentError | ModelError | WorkerFailedError) else error
        log.critical("the models cannot be used", error=type(error).__name__, detail=str(error), exc_info=unexpected)
        os.kill(os.getpid(), signal.SIGTERM)

    async def stop(self) -> None:
        """Closes the doors and ends threads and processes."""
        self._ready, self._reason = False, "the service is stopping"
        await self.jobs.close()
        self.stages.close()
        self.engine.close()
        await asyncio.to_thread(self.traces.close)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Warms up beside the running server; stops with it."""
    lifecycle: AppState = app.state.lifecycle
    warm_up = asyncio.create_task(lifecycle.warm_up())
    warm_up.add_done_callback(lifecycle.after_warm_up)
    yield
    warm_up.cancel()
    await lifecycle.stop()
