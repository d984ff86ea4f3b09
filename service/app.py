"""The HTTP application: `create_app(settings)`. Importing this module has no side effects."""

from importlib.metadata import version
from random import Random
from typing import Final
from uuid import UUID

import structlog
from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from alignment.errors import optional_packages
from service.http.exception_handlers import install_exception_handlers
from service.http.lifecycle import AppState, lifespan
from service.http.middleware.admission import EarlyAdmission
from service.http.middleware.authentication import Authentication
from service.http.middleware.head import HeadAsGet
from service.http.middleware.origins import OriginCheck
from service.http.middleware.plain_bodies import PlainBodies
from service.http.middleware.request_log import RequestLog
from service.http.middleware.upload_limits import UploadLimits
from service.http.openapi import Application
from service.http.routes import export, health, jobs, openai, predict, stream, twilio
from service.http.routes.documentation import install_documentation
from service.http.routes.page import install_page
from service.inference.engine import EmotionEngine
from service.observability.logs import configure_logs
from service.observability.tracing import NoTraces, Traces
from service.settings import Settings, load_settings

log = structlog.stdlib.get_logger("service.app")
_random: Final = Random()  # noqa: S311 - for request ids, which are no secret


def create_app(
    settings: Settings | None = None,
    *,
    engine: EmotionEngine | None = None,
    traces: Traces | None = None,
    keeps_jobs: bool = True,
) -> FastAPI:
    """Build the application.

    Args:
        settings: None reads the environment.
        engine: None creates one from the settings; its models load when the server runs. Worker processes
            (`settings.scorers`) create their own from the same settings.
        traces: None creates them from the settings.
        keeps_jobs: False omits /jobs, for processes without persistent disk space of their own.

    Raises:
        SettingsError: The environment is invalid.
        BundleError, ProviderError, AlignerUnavailableError: The bundle, the provider or the aligner is missing.
        MissingPackageError: Traces are enabled, and OpenTelemetry is not installed.
    """
    settings = settings or load_settings()
    configure_logs(settings.log_level)
    if folders := settings.temporary_folders():
        log.warning("no home folder; these may not survive a restart, set the variables", **folders)
    traces = traces or open_traces(enabled=settings.traces)
    app = Application(
        prefix=settings.root_path,
        telemetry=traces.request_config,
        title="can-ser",
        version=version("can-ser"),
        summary="Speech emotion recognition: emotions of a recording, with its words and their contributions.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    state = app.state.can_ser = AppState(engine or EmotionEngine(settings), settings, traces, keeps_jobs=keeps_jobs)
    app.include_router(predict.router)
    app.include_router(export.router)
    if keeps_jobs:
        app.include_router(jobs.router)
    app.include_router(stream.router)
    app.include_router(twilio.router)
    app.include_router(openai.router)
    app.include_router(health.router)
    if settings.metrics != "off":
        app.include_router(health.metrics_router)
    install_page(app)
    install_documentation(app)
    install_exception_handlers(app)
    _add_middleware(app, state, settings)
    return app


def _add_middleware(app: FastAPI, state: AppState, settings: Settings) -> None:
    """Add middleware, innermost first."""
    app.add_middleware(HeadAsGet)
    app.add_middleware(EarlyAdmission, state=state)
    app.add_middleware(UploadLimits, settings=settings)
    app.add_middleware(PlainBodies)
    app.add_middleware(Authentication, settings=settings)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After", "X-Can-Warnings", "X-Request-ID"],
        )
    app.add_middleware(OriginCheck, settings=settings)
    app.add_middleware(RequestLog, metrics=state.metrics)
    app.add_middleware(CorrelationIdMiddleware, header_name="X-Request-ID", generator=_make_request_id)


def open_traces(*, enabled: bool) -> Traces:
    """Traces as the settings configure them.

    Raises:
        MissingPackageError: OpenTelemetry is not installed.
    """
    if not enabled:
        return NoTraces()
    with optional_packages("telemetry", "opentelemetry"):
        from service.observability.opentelemetry import export_traces
    return export_traces()


def _make_request_id() -> str:
    """A version-4 UUID; it must be unique but not secret, so that no system call is needed for each."""
    return UUID(int=_random.getrandbits(128), version=4).hex
