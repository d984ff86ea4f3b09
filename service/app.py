"""The HTTP application: `create_app(settings)`; importing this does nothing."""

from importlib.metadata import version

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from starlette.responses import RedirectResponse

from service.engine import EmotionEngine
from service.lifecycle import Lifecycle, lifespan
from service.logs import configure_logs
from service.middleware import Admission, RequestLog, UploadLimit
from service.problems import install_problem_handlers
from service.routes import health, predict
from service.settings import Settings, load_settings


def create_app(settings: Settings | None = None, *, engine: EmotionEngine | None = None) -> FastAPI:
    """Builds everything.

    Args:
        settings: None reads the environment.
        engine: None makes one of the settings; its models load once the server runs.

    Raises:
        SettingsError: the environment makes no sense.
        BundleError, ProviderError, AlignerUnavailableError: what is to be served is not there.
    """
    settings = settings or load_settings()
    configure_logs(settings.log_level)
    app = FastAPI(
        title="can-ser",
        version=version("can-ser"),
        summary="Speech emotion recognition: a recording in, an emotion out, with the words and the reasons.",
        lifespan=lifespan,
    )
    app.state.lifecycle = Lifecycle(engine or EmotionEngine(settings), settings)
    app.include_router(predict.router)
    app.include_router(health.router)
    app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)
    install_problem_handlers(app)
    app.add_middleware(Admission, lifecycle=app.state.lifecycle)
    app.add_middleware(UploadLimit, limit_bytes=settings.max_upload_bytes)
    app.add_middleware(RequestLog)
    app.add_middleware(CorrelationIdMiddleware, header_name="X-Request-ID")
    return app
