"""Applications and servers in the process of the test."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import uvicorn
from fastapi.testclient import TestClient

from alignment.aligners.protocol import Aligner
from alignment.aligners.whisperx.diarization import Diarizer
from service.app import create_app
from service.http.lifecycle import AppState
from service.http.server import configure_server
from service.inference.engine import EmotionEngine
from service.observability.tracing import Traces
from service.settings import Settings
from tests.waiting import wait_until

WORDS_JSON = '[{"word": "the", "start": 0.1, "end": 0.3}]'


@contextmanager
def run_app(
    settings: Settings,
    aligner: Aligner,
    *,
    diarizer: Diarizer | None = None,
    traces: Traces | None = None,
    **options: Any,
) -> Iterator[TestClient]:
    """Test client of an application that is ready; `options` are those of `TestClient`."""
    engine = EmotionEngine(settings, aligner=aligner, diarizer=diarizer)
    with TestClient(create_app(settings, engine=engine, traces=traces), **options) as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def state_of(client: TestClient) -> AppState:
    """State of the application of a test client."""
    state: AppState = client.app.state.can_ser  # type: ignore[attr-defined]
    return state


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server as `can-ser serve` runs it, in a thread.

    Attributes:
        state: State of its application.
        uvicorn: The server itself.
        client: Client of the server.
        port: Port on 127.0.0.1.
    """

    state: AppState
    uvicorn: uvicorn.Server
    client: httpx.Client
    port: int

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """Open a connection without sending anything."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def exchange(self, data: bytes) -> bytes:
        """Send bytes and return everything received until the connection ends."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_to_end(connection)

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self.uvicorn.server_state.connections)


@contextmanager
def run_server(settings: Settings, aligner: Aligner, *, diarizer: Diarizer | None = None) -> Iterator[RunningServer]:
    """Run a server on a free port for the duration of the block, which starts when it is ready."""
    app = create_app(settings, engine=EmotionEngine(settings, aligner=aligner, diarizer=diarizer))
    config = configure_server(app, settings)
    config.port = 0
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    try:
        wait_until(lambda: server.started and app.state.can_ser.ready)
        port = server.servers[0].sockets[0].getsockname()[1]
        # A kept connection could be used in the moment in which the server closes it.
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, limits=limits) as client:
            yield RunningServer(app.state.can_ser, server, client, port)
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the other end closes the connection."""
    pieces = []
    try:
        while piece := connection.recv(65_536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def read_events(text: str) -> list[tuple[str, Any]]:
    """Name and payload of each server-sent event."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    fields = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    return [(field["event"], json.loads(field["data"])) for field in fields]


def words_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Words of all utterances of a result."""
    return [word for utterance in result["utterances"] for word in utterance["words"]]


def open_descriptors() -> int:
    """Number of open file descriptors of this process, including connections."""
    return psutil.Process(os.getpid()).num_fds()


def predict_with_words(server: RunningServer, data: bytes, **fields: str) -> dict[str, Any]:
    """Response to a recording whose only word is given."""
    response = server.client.post("/predict", files={"file": data}, data={"words": WORDS_JSON, **fields})
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result
