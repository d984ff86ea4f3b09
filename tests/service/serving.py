"""The server as `can-ser serve` runs it, in a thread of this process: what it holds can be looked at."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psutil
import uvicorn

from alignment.aligners.protocol import Aligner
from service.app import create_app
from service.http.lifecycle import AppState
from service.http.server import configure_server
from service.inference.engine import EmotionEngine
from service.settings import Settings
from tests.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    lifecycle: AppState
    server: uvicorn.Server
    client: httpx.Client
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """A connection on which nothing is said yet."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def exchange(self, data: bytes) -> bytes:
        """All that comes back for these bytes until the connection ends."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_to_end(connection)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self.server.server_state.connections)


@contextmanager
def serve(settings: Settings, aligner: Aligner) -> Iterator[Served]:
    """A ready server on a free port."""
    app = create_app(settings, engine=EmotionEngine(settings, aligner=aligner))
    config = configure_server(app, settings)
    config.port = 0
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    try:
        wait_until(lambda: server.started and app.state.can_ser.ready)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield Served(app.state.can_ser, server, client, port)
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def read_to_end(connection: socket.socket) -> bytes:
    """What comes until the other end closes."""
    pieces = []
    try:
        while piece := connection.recv(65_536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def open_files() -> int:
    """Of this process, connections among them."""
    return psutil.Process(os.getpid()).num_fds()
