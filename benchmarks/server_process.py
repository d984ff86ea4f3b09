"""The server in a separate process, for benchmarks and tests."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready.

    Attributes:
        process: Main process.
        client: Client of the server.
        port: Port on 127.0.0.1.
        ready_after_s: Time from the start of the process to the first 200 of /health/ready.
    """

    process: psutil.Process
    client: httpx.Client
    port: int
    ready_after_s: float

    def predict(self, data: bytes, **fields: str) -> Any:
        """Result of a recording.

        Raises:
            httpx.HTTPStatusError: The response is an error.
        """
        return self.client.post("/predict", files={"file": data}, data=fields).raise_for_status().json()

    def workers(self) -> list[psutil.Process]:
        """Child processes."""
        return self.process.children(recursive=True)

    def cpu_s(self) -> float:
        """Processor seconds of all processes so far."""
        times = [process.cpu_times() for process in (self.process, *self.workers())]
        return float(sum(used.user + used.system for used in times))

    def resident_bytes(self) -> int:
        """Resident memory of all processes; shared memory counts in each."""
        return sum(process.memory_info().rss for process in (self.process, *self.workers()))


@contextmanager
def run_server(
    log: Path,
    *options: str,
    module: str = "service",
    settings: Mapping[str, str] | None = None,
    descriptors: int | None = None,
) -> Iterator[Server]:
    """Run `python -m service` on a free port for the duration of the block, without CAN_* variables of the caller.

    Args:
        log: Log file.
        options: Command-line options, e.g. "--aligner", "moonshine".
        module: Module of another server.
        settings: Environment variables, including CAN_* ones.
        descriptors: Number of descriptors that the process may open; None for that of the caller.

    Raises:
        RuntimeError: The server ended, or did not become ready.
    """
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAN_")}
    environment |= {"CAN_JOBS__FOLDER": str(log.with_suffix(".jobs")), **(settings or {})}
    command = [sys.executable, "-m", module, "--port", str(port), *options]
    if descriptors is not None:
        command = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]
    started = time.monotonic()
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stderr=output, env=environment) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_LIMIT_S) as client,
    ):
        try:
            _wait_until_ready(process, client, log)
            yield Server(psutil.Process(process.pid), client, port, time.monotonic() - started)
        finally:
            process.terminate()
            if status := process.wait(_LIMIT_S):
                raise RuntimeError(f"the server ended with status {status}: {log.read_text(encoding='utf-8')}")


def _wait_until_ready(process: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> None:
    deadline, pause = time.monotonic() + _LIMIT_S, threading.Event()
    while not _is_ready(client):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server is not ready: {log.read_text(encoding='utf-8')}")
        pause.wait(0.02)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == httpx.codes.OK
    except httpx.ConnectError:
        return False


def free_port() -> int:
    """Return a free port on 127.0.0.1."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
