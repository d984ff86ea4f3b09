"""`can-ser serve`; imported when it runs, so that `--help` is quick."""

import gc
import math
import signal
from contextlib import suppress
from typing import Final

import uvicorn
from fastapi import FastAPI

from alignment.errors import AlignmentError
from model.errors import ModelError
from service.app import create_app
from service.cli.console import complain
from service.errors import ServiceError
from service.http.server import bound_protocols
from service.settings import Settings, load_settings

KNOWN_ERRORS: Final = (AlignmentError, ModelError, ServiceError)


def run_server(*, host: str | None, port: int | None, bundle: str | None, aligner: str | None) -> int:
    """Serves until stopped by SIGINT or SIGTERM, then 0; 2 when it cannot start or its models cannot be used."""
    try:
        settings = load_settings({"host": host, "port": port, "bundle": bundle, "aligner": aligner})
        application = create_app(settings)
        application.state.lifecycle.on_ready = _keep_what_is_loaded
    except KNOWN_ERRORS as exc:
        complain(exc)
        return 2
    server = uvicorn.Server(configure_server(application, settings))
    # uvicorn raises the signal that stopped it once more; dying of it would leave semaphores of the workers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started and not application.state.lifecycle.failed else 2


def _keep_what_is_loaded() -> None:
    """What is there now stays: the collector would look through it again and again."""
    gc.collect()
    gc.freeze()


def configure_server(application: FastAPI, settings: Settings) -> uvicorn.Config:
    """uvicorn, bounded as the settings say."""
    http, websocket = bound_protocols(settings.upload_idle_s, settings.upload_s)
    return uvicorn.Config(
        application,
        settings.host,
        settings.port,
        http=http,
        ws=websocket,
        log_config=None,
        access_log=False,
        ws_max_size=settings.live.max_frame_bytes,
        # Sound hardly shrinks, and a compressed frame may grow.
        ws_per_message_deflate=False,
        # While answers lag, nothing is read from a live connection, pongs neither.
        ws_ping_timeout=settings.deadline_s,
        # What was accepted is answered by then, if only with 504; what is still on its way here is given up.
        timeout_graceful_shutdown=math.ceil(settings.deadline_s + settings.upload_idle_s),
    )
