"""A killed service between the end of a job and the delivery of its callback."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.server_process import Server, run_server
from model.bundle import Bundle
from tests.service.jobs.callback_jobs import DATA, message_ids
from tests.service.jobs.receiver import SECRET, free_port, run_receiver
from tests.service.serving import WORDS_JSON
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


@contextmanager
def run_until_killed(log: Path, settings: Mapping[str, str]) -> Iterator[Server]:
    """A server that is killed at the end of the block, with SIGKILL."""
    ended = ""
    try:
        with run_server(log, "--aligner", "pocketsphinx", settings=settings) as server:
            yield server
            server.process.kill()
    except RuntimeError as exc:
        ended = str(exc)
    assert "status -9" in ended


def test_service_killed_after_the_result_delivers_once_after_its_restart(tiny_bundle: Bundle, tmp_path: Path) -> None:
    """The receiver is down when the job ends, and works again when the service does."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = {
        "CAN_BUNDLE": str(tiny_bundle.folder),
        "CAN_JOBS__CALLBACK_HOSTS": address,
        "CAN_JOBS__CALLBACK_SECRET": SECRET,
        "CAN_JOBS__CALLBACK_RETRY_S": "0.5",
    }
    location = ""

    def read(server: Server) -> tuple[str, str, str | None]:
        job = server.client.get(location).json()
        return job["status"], job["callback"]["status"], job["callback"]["last_error"]

    with run_until_killed(tmp_path / "log", settings) as server:
        fields = {"words": WORDS_JSON, "callback": f"{address}/done"}
        location = server.client.post("/jobs", files={"file": DATA}, data=fields).headers["location"]
        wait_until(lambda: read(server)[0] == "done" and read(server)[2] is not None)
        assert read(server)[1] == "pending"
    with (
        run_receiver(port=port) as receiver,
        run_server(tmp_path / "log", "--aligner", "pocketsphinx", settings=settings) as server,
    ):
        wait_until(lambda: read(server)[1] == "delivered")
        assert read(server)[0] == "done"
        # Another job shows that nothing is sent twice: its message arrives after all that were due before it.
        second = server.client.post("/jobs", files={"file": DATA}, data=fields).headers["location"]
        wait_until(lambda: server.client.get(second).json()["callback"]["status"] == "delivered")
    assert message_ids(receiver) == [f"msg_{each.rpartition('/')[2]}" for each in (location, second)]
