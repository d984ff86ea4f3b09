"""The server in its own process, with the embedded aligner and the shipped weights."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.server_process import Server, run_server
from service import Client
from tests.builders import speech
from tests.comparing import assert_same_result
from tests.service.serving import words_of
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

MEMORY_BYTES = 600_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server; when it stops, its workers must end and its log must be JSON."""
    log = tmp_path_factory.mktemp("server") / "log"
    with run_server(log, "--aligner", "moonshine") as running:
        workers = running.workers()
        yield running
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"ready", "request"} <= {line["event"] for line in lines}
    assert {line["status"] for line in lines if line.get("method") == "POST"} == {200}
    assert not [line for line in lines if line["level"] in {"error", "critical"}]


def test_complete_path_on_speech(server: Server) -> None:
    result = server.predict(speech("garden"))
    assert (result["aligner"]["name"], result["model"]["name"]) == ("moonshine", "starter")
    words = words_of(result)
    assert words
    times = [time_s for word in words for time_s in (word["start_s"], word["end_s"])]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= result["audio"]["duration_s"]


def test_health_checks_during_recognition(server: Server) -> None:
    """`python -m benchmarks.serving` measures their latency."""
    with ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(server.predict, speech("garden")) for _ in range(3)]
        successes = 0
        while not any(future.done() for future in slow):
            successes += server.client.get("/health/live").status_code == 200
        assert successes > 3
        for future in slow:
            assert future.result()["utterances"]


def test_http_and_command_line_give_equal_results(server: Server, tmp_path: Path) -> None:
    clip = tmp_path / "numbers.flac"
    clip.write_bytes(speech("numbers"))
    command = [sys.executable, "-m", "service.cli.app", "predict", "--json", "--aligner", "moonshine", str(clip)]
    printed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    received = server.predict(speech("numbers"))
    assert printed.pop("file") == str(clip)
    for result in (printed, received):
        # The reasons name the option of the respective command.
        assert result["aligner"].pop("reason")
    assert_same_result(printed, received)


def test_memory_after_a_hundred_requests(server: Server) -> None:
    """Most requests have given words, since recognition is slow."""
    words = '[{"word": "she", "start": 0.3, "end": 0.5}, {"word": "paid", "start": 0.5, "end": 0.9}]'

    def predict(number: int) -> None:
        server.predict(speech("numbers"), **({"words": words} if number % 5 else {"transcript": "she paid"}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(predict, range(100)))
    assert server.resident_bytes() < MEMORY_BYTES


def test_package_client(server: Server, tmp_path: Path) -> None:
    clip = tmp_path / "numbers.flac"
    clip.write_bytes(speech("numbers"))
    with Client(str(server.client.base_url)) as client:
        assert client.served_model().name == "starter"
        result = client.predict(clip, transcript="she paid forty two dollars for the old book")
    assert result.utterances[0].words[1].word == "paid"


def test_stop_under_load(server: Server) -> None:
    """The last test of this server: each request gets a complete response or no connection."""
    words = '[{"word": "she", "start": 0.3, "end": 0.5}]'
    # One connection per request: a kept one may be closed while it is reused.
    headers = {"connection": "close"}
    errors: list[str] = []

    def predict_repeatedly(_: int) -> int:
        successes = 0
        while True:
            files, fields = {"file": speech("numbers")}, {"words": words, "explain": "false"}
            try:
                server.client.post("/predict", files=files, data=fields, headers=headers).raise_for_status()
            except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError) as exc:
                # The kernel accepted the connection, and the server received no request on it; test_stop.py checks that
                # every received request gets its response.
                errors.append(str(exc))
                return successes
            successes += 1

    with ThreadPoolExecutor(5) as pool:
        slow = pool.submit(server.predict, speech("numbers"))
        loops = [pool.submit(predict_repeatedly, number) for number in range(4)]
        wait_until(lambda: "can_under_way 0.0" not in server.client.get("/metrics").text)
        server.process.terminate()
        assert slow.result(60)["utterances"]
        assert sum(loop.result(60) for loop in loops) > 0
    assert not any("complete message body" in error for error in errors)
    wait_until(lambda: server.process.status() == psutil.STATUS_ZOMBIE)
