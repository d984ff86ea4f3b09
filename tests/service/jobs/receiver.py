"""Local receivers of callbacks."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from service.jobs.callbacks import make_secret
from service.setting_groups import JobSettings

SECRET = make_secret()


class Receiver:
    """Records requests and responds with one status after the other; the last one is repeated.

    Attributes:
        statuses: Statuses still to be sent.
        headers: Headers of every response.
        requests: Path, headers and body of each request so far.
        gate: Responses wait while it is cleared.
    """

    def __init__(self, statuses: Sequence[int], headers: dict[str, str]) -> None:
        self.statuses, self.headers = list(statuses), headers
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.port = 0

    @property
    def url(self) -> str:
        """Address without TLS."""
        return f"http://127.0.0.1:{self.port}/done?token=secret"

    def respond(self) -> int:
        """The next status."""
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextmanager
def run_receiver(
    *statuses: int, headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None, port: int = 0
) -> Iterator[Receiver]:
    """Receive requests on a free port for the duration of the block."""
    receiver = Receiver(statuses or (204,), headers or {})

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            receiver.gate.wait(30)
            try:
                self.send_response(receiver.respond())
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.gate.set()
        server.shutdown()
        thread.join(30)
        server.server_close()


def free_port() -> int:
    """A port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def allow(jobs: JobSettings, *hosts: str, **fields: Any) -> JobSettings:
    """Settings that allow callbacks to hosts, with short waits."""
    values = {"callback_hosts": hosts, "callback_secret": SECRET, "callback_retry_s": 0.05, "callback_timeout_s": 5.0}
    return JobSettings.model_validate(jobs.model_dump() | values | fields)
