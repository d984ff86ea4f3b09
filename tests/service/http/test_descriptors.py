"""A server in a process of its own, with few descriptors."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import httpx
import pytest

from benchmarks.server_process import Server, run_server
from model.bundle import Bundle
from service.http.connection_limit import RESERVED
from tests.service.http.test_connections import CALL, STREAM, UPLOAD
from tests.service.http.test_floods import TINY

pytestmark = pytest.mark.slow
DESCRIPTORS: Final = 128
CLIENTS: Final = 100


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("descriptors") / "log"


@pytest.fixture(scope="module")
def server(tiny_bundle: Bundle, log: Path) -> Iterator[Server]:
    options = ("--bundle", str(tiny_bundle.folder), "--aligner", "pocketsphinx")
    with run_server(log, *options, settings={"CAN_SCORERS": "2"}, descriptors=DESCRIPTORS) as running:
        yield running


def test_limit_is_logged_at_start(server: Server, log: Path) -> None:
    [event] = read_events(log, "connections limited by descriptors")
    assert (event["configured"], event["descriptors"]) == (1_000, DESCRIPTORS)
    assert server.process.num_fds() + 2 * event["limit"] + RESERVED <= DESCRIPTORS + 8


@pytest.mark.parametrize(
    "sent", [b"", STREAM, CALL, TINY * 5_000, UPLOAD], ids=["nothing", "live", "call", "pipeline", "upload"]
)
def test_live_stays_reachable(server: Server, log: Path, sent: bytes) -> None:
    """Each client opens its connection again where it has been closed, and reads nothing."""
    with ExitStack() as stack:
        for _ in range(3):
            for _ in range(CLIENTS):
                attack(stack, server.port, sent)
            for _ in range(5):
                url = f"http://127.0.0.1:{server.port}/health/live"
                assert httpx.get(url, timeout=30).status_code == 200
            assert server.process.num_fds() < DESCRIPTORS
    assert read_events(log, "limit of connections reached")
    assert "out of system resource" not in log.read_text(encoding="utf-8")


def attack(stack: ExitStack, port: int, sent: bytes) -> None:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
    connection.setblocking(False)
    with suppress(OSError):
        connection.send(sent)


def read_events(log: Path, name: str) -> list[dict[str, int]]:
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    return [event for event in map(json.loads, lines) if event["event"] == name]
