"""`can-ser serve`; imported when it runs, so that `--help` is quick."""

import signal
from contextlib import suppress
from typing import Final

import uvicorn

from alignment.errors import AlignmentError
from model.errors import ModelError
from service.app import create_app
from service.console import complain
from service.errors import ServiceError
from service.settings import load_settings

KNOWN_ERRORS: Final = (AlignmentError, ModelError, ServiceError)


def run_server(*, host: str | None, port: int | None, bundle: str | None, aligner: str | None) -> int:
    """Serves until stopped by SIGINT or SIGTERM, then 0; 2 when it cannot start or its models cannot be used."""
    try:
        settings = load_settings({"host": host, "port": port, "bundle": bundle, "aligner": aligner})
        application = create_app(settings)
    except KNOWN_ERRORS as exc:
        complain(exc)
        return 2
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            settings.host,
            settings.port,
            log_config=None,
            access_log=False,
            ws_max_size=settings.live.max_frame_bytes,
        )
    )
    # uvicorn raises the signal that stopped it once more; dying of it would leave semaphores of the workers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started and not application.state.lifecycle.failed else 2
