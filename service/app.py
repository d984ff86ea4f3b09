"""The HTTP application: `create_app(settings)`; importing this does nothing."""

from importlib.metadata import version
from random import Random
from typing import Final
from uuid import UUID

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from service.http.exception_handlers import install_problem_handlers
from service.http.forms import MAX_FIELDS, MAX_FILES, MAX_TEXT_BYTES
from service.http.lifecycle import AppState, lifespan
from service.http.middleware.authentication import Access
from service.http.middleware.request_log import Admission, RequestLog
from service.http.middleware.upload_limits import UploadLimits
from service.http.openapi import Application
from service.http.routes import health, jobs, predict, stream
from service.http.routes.documentation import install_documentation
from service.http.routes.page import install_page
from service.inference.engine import EmotionEngine
from service.observability.logs import configure_logs
from service.observability.tracing import Traces, open_traces
from service.settings import Settings, load_settings

_names: Final = Random()  # noqa: S311 - a request is named, nothing is kept secret


def create_app(
    settings: Settings | None = None,
    *,
    engine: EmotionEngine | None = None,
    traces: Traces | None = None,
    keeps_jobs: bool = True,
) -> FastAPI:
    """Builds everything.

    Args:
        settings: None reads the environment.
        engine: None makes one of the settings; its models load once the server runs. Worker processes
            (`settings.scorers`) make their own of the same settings.
        traces: None takes those of the settings.
        keeps_jobs: False leaves out /jobs, where no process has a disk of its own that lasts.

    Raises:
        SettingsError: the environment makes no sense.
        BundleError, ProviderError, AlignerUnavailableError: what is to be served is not there.
        MissingPackageError: traces are wanted, and OpenTelemetry is not installed.
    """
    settings = settings or load_settings()
    configure_logs(settings.log_level)
    traces = traces or open_traces(wanted=settings.traces)
    app = Application(
        telemetry=traces.of_requests,
        title="can-ser",
        version=version("can-ser"),
        summary="Speech emotion recognition: a recording in, an emotion out, with the words and the reasons.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        form_limits={"max_fields": MAX_FIELDS, "max_files": MAX_FILES, "max_part_size": MAX_TEXT_BYTES},
    )
    app.state.lifecycle = AppState(engine or EmotionEngine(settings), settings, traces, keeps_jobs=keeps_jobs)
    app.include_router(predict.router)
    if keeps_jobs:
        app.include_router(jobs.router)
    app.include_router(stream.router)
    app.include_router(health.router)
    install_page(app)
    install_documentation(app)
    install_problem_handlers(app)
    app.add_middleware(Admission, lifecycle=app.state.lifecycle)
    app.add_middleware(UploadLimits, settings=settings)
    app.add_middleware(Access, settings=settings)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After", "X-Request-ID"],
        )
    app.add_middleware(RequestLog, metrics=app.state.lifecycle.metrics)
    app.add_middleware(CorrelationIdMiddleware, header_name="X-Request-ID", generator=_name_request)
    return app


def _name_request() -> str:
    """A UUID of version 4; it must differ, not be a secret, so that the system need not be asked for each."""
    return UUID(int=_names.getrandbits(128), version=4).hex
