"""`can-ser serve` in its own process."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from benchmarks.server_process import run_server
from tests.builders import speech
from tests.waiting import wait_until


@pytest.mark.slow
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
