"""`can-ser serve`."""

import gc
import signal
import sys
from collections.abc import Sequence
from functools import partial
from typing import Final, TextIO

import uvicorn

from alignment.errors import CanSerError
from alignment.timing import Seconds
from service.app import create_app
from service.cli.console import print_error
from service.errors import ListenError
from service.http.lifecycle import AppState
from service.http.server import configure_server
from service.settings import Settings, load_settings, name_bundles

_ALL_ADDRESSES: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104
_SWITCH_S: Final[Seconds] = 0.0002
"""Time after which a thread gives the interpreter to one that waits for it; Python's default is 5 ms.

Decoding and scoring release the interpreter many times, and wait so long each time while another thread writes a file.
"""


def run_server(*, host: str | None, port: int | None, bundles: Sequence[str], aligner: str | None) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        bundles: Names or folders, the default first; empty for those of the environment.
        aligner: Name.

    Returns:
        0; 2 when the service cannot start or listen, or a model cannot run.
    """
    try:
        settings = load_settings({"host": host, "port": port, "aligner": aligner, **name_bundles(bundles)})
        application = create_app(settings)
    except CanSerError as exc:
        print_error(exc)
        return 2
    state: AppState = application.state.can_ser
    state.on_ready = partial(_on_ready, settings)
    server = uvicorn.Server(configure_server(application, settings))
    sys.setswitchinterval(_SWITCH_S)
    # uvicorn raises the signal that stopped it again; dying of it would leak semaphores of the worker processes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # A closed terminal stops the service as SIGTERM does, except under nohup.
        signal.signal(signal.SIGHUP, server.handle_exit)
    _run(server, settings)
    return 0 if server.started and not state.failed else 2


def _run(server: uvicorn.Server, settings: Settings) -> None:
    """Run the server; print why it cannot listen."""
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    except SystemExit as exc:
        # Raised while the error of the socket was handled.
        if isinstance(exc.__context__, OSError):
            print_error(ListenError(settings.host, settings.port, exc.__context__.strerror or "unknown address"))


def _on_ready(settings: Settings) -> None:
    announce(settings, sys.stderr)
    _freeze_loaded_objects()


def announce(settings: Settings, stream: TextIO) -> None:
    """Print the address of the page to a terminal; logs that are collected stay as they are."""
    if stream.isatty():
        print(f"Open {page_address(settings)}", file=stream, flush=True)


def page_address(settings: Settings) -> str:
    """Address of the page for a browser on the same machine."""
    host = "127.0.0.1" if settings.host in _ALL_ADDRESSES else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}{settings.root_path}"


def _freeze_loaded_objects() -> None:
    """Exclude the objects that are loaded now from garbage collection, which would scan them again and again."""
    gc.collect()
    gc.freeze()
