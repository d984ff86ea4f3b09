"""`can-ser serve` in a process of its own."""

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from benchmarks.server_process import run_server
from model.bundle import Bundle
from service.cli.serve import announce, page_address
from service.settings import Settings
from tests.builders import speech
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_address_that_cannot_be_used_is_named(tiny_bundle: Bundle, host: str) -> None:
    """The port is in use, or the host does not exist."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAN_")}
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = str(occupied.getsockname()[1])
        options = ("--host", host, "--port", port, "--bundle", str(tiny_bundle.folder), "--aligner", "pocketsphinx")
        done = subprocess.run(
            [sys.executable, "-m", "service", *options], env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"cannot listen on '{host}', port {port} (")
    assert ("ddress already in use" in last) == (host == "127.0.0.1")
    assert "CAN_PORT" in last
    assert "Traceback" not in done.stderr


@pytest.fixture
def _signal_of_terminal() -> Iterator[None]:
    """SIGHUP is not ignored, as it would be by processes under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_signal_of_terminal")
def test_closed_terminal_drops_no_request(tmp_path: Path) -> None:
    """A terminal sends SIGHUP to the server and to its workers; `run_server` fails where the exit status is not 0."""
    with run_server(tmp_path / "log", "--aligner", "moonshine") as server, ThreadPoolExecutor(1) as pool:
        processes = [server.process, *server.workers()]
        result = pool.submit(server.predict, speech("garden"))
        wait_until(lambda: "can_under_way 0.0" not in server.client.get("/metrics").text)
        for process in processes:
            process.send_signal(signal.SIGHUP)
        assert result.result(60)["utterances"]
        wait_until(lambda: server.process.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(
    ("host", "port", "root_path", "address"),
    [
        ("127.0.0.1", 8000, "", "http://127.0.0.1:8000"),
        ("0.0.0.0", 9000, "/speech", "http://127.0.0.1:9000/speech"),
        ("::1", 8000, "", "http://[::1]:8000"),
        ("::", 8000, "", "http://127.0.0.1:8000"),
        ("speech.example", 8000, "", "http://speech.example:8000"),
    ],
)
def test_address_of_the_page(host: str, port: int, root_path: str, address: str) -> None:
    assert page_address(Settings(host=host, port=port, root_path=root_path)) == address


def test_only_a_terminal_gets_the_address() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        announce(Settings(port=8001), stream)
    assert (terminal.getvalue(), file.getvalue()) == ("Open http://127.0.0.1:8001\n", "")
