"""The real server in its own process, with the embedded aligner and the shipped weights."""

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
from tests.waiting import wait_until

MEMORY_BYTES = 600_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its workers must end with it, and its log must be JSON to the last line."""
    log = tmp_path_factory.mktemp("server") / "log"
    with run_server(log, "--aligner", "pocketsphinx") as running:
        workers = running.workers()
        yield running
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"ready", "request"} <= {line["event"] for line in lines}
    assert {line["status"] for line in lines if line.get("method") == "POST"} == {200}
    assert not [line for line in lines if line["level"] in {"error", "critical"}]


def test_the_whole_path_on_speech(server: Server) -> None:
    answer = server.predict(speech("garden"))
    assert (answer["aligner"]["name"], answer["model"]["name"]) == ("pocketsphinx", "starter")
    words = [word for utterance in answer["utterances"] for word in utterance["words"]]
    assert words
    times = [time_s for word in words for time_s in (word["start_s"], word["end_s"])]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= answer["audio"]["duration_s"]


def test_alive_while_it_recognises(server: Server) -> None:
    """How fast it answers is shown by `python -m benchmarks.serving`."""
    with ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(server.predict, speech("garden")) for _ in range(3)]
        answered = 0
        while not any(future.done() for future in slow):
            answered += server.client.get("/health/live").status_code == 200
        assert answered > 3
        for future in slow:
            assert future.result()["utterances"]


def test_http_and_the_command_line_answer_the_same(server: Server, tmp_path: Path) -> None:
    clip = tmp_path / "numbers.flac"
    clip.write_bytes(speech("numbers"))
    command = [sys.executable, "-m", "service.cli.app", "predict", "--json", "--aligner", "pocketsphinx", str(clip)]
    printed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    answered = server.predict(speech("numbers"))
    assert printed.pop("file") == str(clip)
    for answer in (printed, answered):
        del answer["timings_ms"]
        # The one was asked for on a command line, the other at the server's start: both say so.
        assert answer["aligner"].pop("reason")
    assert printed == answered


def test_memory_after_a_hundred_requests(server: Server) -> None:
    """Most bring their words: how they are found is the slow part, and was warmed up by the first ones."""
    words = '[{"word": "she", "start": 0.3, "end": 0.5}, {"word": "paid", "start": 0.5, "end": 0.9}]'

    def ask(number: int) -> None:
        server.predict(speech("numbers"), **({"words": words} if number % 5 else {"transcript": "she paid"}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(100)))
    assert server.resident_bytes() < MEMORY_BYTES


def test_the_client_of_the_package(server: Server, tmp_path: Path) -> None:
    clip = tmp_path / "numbers.flac"
    clip.write_bytes(speech("numbers"))
    with Client(str(server.client.base_url)) as client:
        assert client.served_model().name == "starter"
        answer = client.predict(clip, transcript="she paid forty two dollars for the old book")
    assert answer.utterances[0].words[1].word == "paid"


def test_a_stop_under_load(server: Server) -> None:
    """The last test of this server. Its clients are answered, or find nobody listening; no answer breaks off."""
    words = '[{"word": "she", "start": 0.3, "end": 0.5}]'
    # A connection for each request: one that is kept may be closed just when it is used again.
    alone = {"connection": "close"}

    endings: list[str] = []

    def keep_asking(_: int) -> int:
        answered = 0
        while True:
            files, fields = {"file": speech("numbers")}, {"words": words, "explain": "false"}
            try:
                server.client.post("/predict", files=files, data=fields, headers=alone).raise_for_status()
            except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError) as exc:
                # The kernel had taken the connection, and the server never saw a request in it; that whatever it saw is
                # answered is shown in test_stop.py.
                endings.append(str(exc))
                return answered
            answered += 1

    with ThreadPoolExecutor(5) as pool:
        slow = pool.submit(server.predict, speech("numbers"))
        loops = [pool.submit(keep_asking, number) for number in range(4)]
        wait_until(lambda: "can_under_way 0.0" not in server.client.get("/metrics").text)
        server.process.terminate()
        assert slow.result(60)["utterances"]
        assert sum(loop.result(60) for loop in loops) > 0
    assert not any("complete message body" in ending for ending in endings)
    wait_until(lambda: server.process.status() == psutil.STATUS_ZOMBIE)
