"""The service on two Ray nodes, started as by `serve run` with a configuration file."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import httpx
import psutil

from benchmarks.server_process import free_port
from tests.service.cluster.two_nodes import ENVIRONMENT
from tests.waiting import wait_until

_LIMIT_S: Final = 240.0
_ATTEMPTS: Final = 3
_CONFIG: Final = """
proxy_location: HeadOnly
http_options: {{host: 127.0.0.1, port: {port}}}
applications:
  - name: can-ser
    import_path: service.cluster:app
    args: {{aligner: moonshine, max_waiting: 64}}
    deployments:
      - name: Aligner
        max_replicas_per_node: 1
        autoscaling_config: {{min_replicas: 2, max_replicas: 2}}
"""


@dataclass(frozen=True, slots=True)
class TwoNodes:
    """A running cluster.

    Attributes:
        address: Address of Ray.
        client: Client of the head node.
        nodes: Process that runs the nodes.
        log: Log of the nodes.
    """

    address: str
    client: httpx.Client
    nodes: "subprocess.Popen[str]"
    log: Path

    def predict(self, data: bytes, **fields: str) -> httpx.Response:
        """Response to POST /predict."""
        return self.client.post("/predict", files={"file": data}, data=fields)

    def kill_worker(self) -> None:
        """Kill the second node and its replicas."""
        _stream(self.nodes.stdin).write("kill\n")
        _stream(self.nodes.stdin).flush()
        assert _stream(self.nodes.stdout).readline() == "killed\n"


def environment() -> dict[str, str]:
    """Environment of processes that import Ray, without CAN_* and RAY_* variables of the caller."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CAN_", "RAY_"))} | ENVIRONMENT


@contextmanager
def run_two_nodes(folder: Path) -> Iterator[TwoNodes]:
    """Run both nodes for the duration of the block, which starts when the service is ready.

    Args:
        folder: Folder for the configuration and the log.
    """
    port, config = free_port(), folder / "serve.yaml"
    config.write_text(_CONFIG.format(port=port))
    nodes, address = _start(config, folder / "nodes.log")
    with nodes, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_LIMIT_S) as client:
        processes: list[psutil.Process] = []
        try:
            processes = psutil.Process(nodes.pid).children(recursive=True)
            wait_until(lambda: _is_ready(client), _LIMIT_S)
            yield TwoNodes(address, client, nodes, folder / "nodes.log")
        finally:
            _stream(nodes.stdin).close()
            nodes.wait(_LIMIT_S)
            _, alive = psutil.wait_procs(processes, timeout=10)
            for process in alive:
                process.kill()
    assert not alive


def _start(config: Path, log: Path) -> "tuple[subprocess.Popen[str], str]":
    """Start the nodes; retried, since Ray gives a node 30 s to start, which a busy machine may exceed."""
    command = [sys.executable, "-m", "tests.service.cluster.two_nodes", str(config)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    for _ in range(_ATTEMPTS):
        with log.open("w") as errors:
            nodes = subprocess.Popen(command, stderr=errors, env=environment(), **pipes)
        if address := _stream(nodes.stdout).readline().strip():
            return nodes, address
        # Linux ends its child processes with it.
        nodes.communicate(timeout=_LIMIT_S)
    raise AssertionError(log.read_text())


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _stream(stream: IO[str] | None) -> Any:
    assert stream is not None
    return stream
