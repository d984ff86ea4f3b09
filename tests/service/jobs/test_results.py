"""Results of jobs: sent from disk as fast as clients read, to a bounded number of them; bounded in bytes."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import psutil
import pytest
from starlette.types import Message

from can_ser_client.schemas import PredictOut
from service.errors import BusyError, UnknownJobError
from service.exports.conversion import WrittenFile
from service.exports.formats import ExportRequest
from service.http import sending
from service.http.exports import ExportResponse
from service.inference.places import Places
from service.jobs.store import JobStore
from service.setting_groups import JobSettings
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import RunningServer, read_to_end, run_server
from tests.waiting import wait_until

READS: Final = 4
IDLE_S: Final = 1.5
RESULT: Final = json.dumps({"text": "Grüße, 世界" * 1_000_000}, ensure_ascii=False)


@pytest.fixture
def server(settings: Settings, aligner: FakeAligner, tmp_path: Path) -> Iterator[RunningServer]:
    jobs = JobSettings(folder=tmp_path / "jobs", max_reads=READS)
    with run_server(settings.model_copy(update={"jobs": jobs, "upload_idle_s": IDLE_S}), aligner) as running:
        yield running


def store_of(server: RunningServer) -> JobStore:
    store = server.state.jobs._access._store
    assert store is not None
    return store


@pytest.fixture
def job(server: RunningServer) -> str:
    """Address of a job whose result has 17 MB."""
    location = server.client.post("/jobs", files={"file": encode(noise(1.0))}).headers["location"]
    wait_until(lambda: server.client.get(location).json()["status"] == "done")
    store_of(server).finish(location.removeprefix("/jobs/"), result=RESULT)
    return location


def request_unread(server: RunningServer, location: str) -> socket.socket:
    connection = server.connect()
    connection.sendall(f"GET {location} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def is_deleted(server: RunningServer, location: str) -> bool:
    try:
        store_of(server).find(location.removeprefix("/jobs/"))
    except UnknownJobError:
        return True
    return False


def test_long_result_is_sent_whole(server: RunningServer, job: str) -> None:
    response = server.client.get(job)
    assert int(response.headers["content-length"]) == len(response.content) > len(RESULT.encode())
    assert response.headers["content-type"] == "application/json"
    assert response.json()["result"] == json.loads(RESULT)
    assert response.json()["problem"] is None


def test_results_that_nobody_reads_are_bounded(server: RunningServer, job: str) -> None:
    """Most clients are refused; the others are disconnected, and the memory of none holds a whole result."""
    server.client.get(job)
    before = psutil.Process().memory_info().rss
    connections = [request_unread(server, job) for _ in range(40)]
    wait_until(lambda: server.state.reads.held == READS)
    refused = server.client.get(job)
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert int(refused.headers["retry-after"]) >= 1
    assert server.client.get("/health/live").status_code == 200
    assert psutil.Process().memory_info().rss < before + 100_000_000
    wait_until(lambda: server.state.reads.held == 0)
    for connection in connections:
        connection.close()
    assert server.client.get(job).json()["result"] == json.loads(RESULT)


def test_deletion_while_a_result_is_sent(server: RunningServer, job: str) -> None:
    with request_unread(server, job) as connection:
        wait_until(lambda: server.state.reads.held == 1)
        assert server.client.delete(job).status_code == 204
        assert len(read_to_end(connection)) < len(RESULT.encode())
    wait_until(lambda: server.state.reads.held == 0)
    assert server.client.get(job).status_code == 404


def test_result_that_is_read_too_slowly_ends(
    settings: Settings, aligner: FakeAligner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of the whole time, where that of a client that reads nothing does not apply."""
    monkeypatch.setattr(sending, "LIMIT_S", 0.1)
    jobs = JobSettings(folder=tmp_path / "jobs", max_reads=READS)
    with run_server(settings.model_copy(update={"jobs": jobs, "upload_idle_s": 1_000.0}), aligner) as server:
        location = server.client.post("/jobs", files={"file": encode(noise(1.0))}).headers["location"]
        wait_until(lambda: server.client.get(location).json()["status"] == "done")
        store_of(server).finish(location.removeprefix("/jobs/"), result=RESULT)
        with request_unread(server, location) as connection:
            connection.recv(1)
            wait_until(lambda: server.state.reads.held == 0)
            assert len(read_to_end(connection)) < len(RESULT.encode())


def test_place_of_an_export_that_is_read_too_slowly_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LIMIT_S", 0.1)
    places = Places(1, 1, lambda limit: BusyError(limit, 5))
    held: list[int] = []

    async def write() -> WrittenFile:
        return WrittenFile(bytes(200_000), [])

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        held.append(places.held)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    response = ExportResponse(places.hold(""), write, ExportRequest("srt"), "a.wav")
    scope = {"type": "http", "path": "/export", "asgi": {"spec_version": "2.4"}}
    asyncio.run(asyncio.wait_for(response(scope, receive, send), 20))
    assert held == [1, 1]
    assert places.held == 0


def test_polling_needs_no_place(server: RunningServer, aligner: FakeAligner) -> None:
    aligner.gate.clear()
    location = server.client.post("/jobs", files={"file": encode(noise(1.0))}).headers["location"]
    with server.state.reads.hold(""), httpx.Client(base_url=server.url) as client:
        assert client.get(location).json()["status"] in {"queued", "running"}
    aligner.gate.set()


def test_ended_jobs_are_bounded_in_bytes(tmp_path: Path) -> None:
    now = 0.0
    store = JobStore(tmp_path / "jobs", 100.0, lambda: now)
    for number in range(5):
        store.add(str(number), "{}")
    store.add("waiting", "{}")
    for number in range(5):
        now += 1
        store.finish(str(number), result=json.dumps("a" * 1_000_000))
    store.delete_beyond(100_000_000)
    assert store.count_result("0") == 1_000_002
    store.delete_beyond(2_500_000)
    for number in range(5):
        if number < 3:
            with pytest.raises(UnknownJobError):
                store.find(str(number))
        else:
            assert store.find(str(number)).status == "done"
    store.delete_beyond(1)
    assert (store.find("4").status, store.find("waiting").status) == ("done", "queued")
    store.close()


def test_key_with_large_results_loses_them_first(tmp_path: Path) -> None:
    """Those of another key that ended before stay."""
    now = 0.0
    store = JobStore(tmp_path / "jobs", 100.0, lambda: now)
    owners = {"early": "b", "0": "a", "1": "a", "2": "a", "late": "b", "last": "a"}
    for name, owner in owners.items():
        store.add(name, "{}", owner)
    for name, owner in owners.items():
        now += 1
        store.finish(name, result=json.dumps("a" * (1_000_000 if owner == "a" else 300_000)))
    store.delete_beyond(3_000_000)
    assert {name for name in owners if is_stored(store, name, owners[name])} == {"early", "2", "late", "last"}
    store.delete_beyond(1_500_000)
    assert {name for name in owners if is_stored(store, name, owners[name])} == {"late", "last"}
    store.close()


def is_stored(store: JobStore, name: str, owner: str) -> bool:
    try:
        return bool(store.find(name, owner))
    except UnknownJobError:
        return False


def test_runner_deletes_beyond_the_limit(server: RunningServer, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded = server.state.jobs._settings.model_copy(update={"keep_bytes": 1_000_000})
    monkeypatch.setattr(server.state.jobs, "_settings", bounded)
    later = server.client.post("/jobs", files={"file": encode(noise(1.0))}).headers["location"]
    wait_until(lambda: is_deleted(server, job))
    assert server.client.get(later).json()["status"] == "done"


def test_exports_that_nobody_reads_are_bounded(
    server: RunningServer, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place is taken until the file has been read; further exports are refused without being written."""
    written: list[int] = []

    def write(response: PredictOut, export: ExportRequest, name: str) -> bytes:
        written.append(len(response.utterances))
        return b"a" * 20_000_000

    monkeypatch.setattr("service.exports.conversion.write_export", write)
    returned = threading.Event()
    monkeypatch.setattr("service.http.exports.return_memory", returned.set)
    places = server.state._bound(READS, lambda limit: BusyError(limit, 1))
    monkeypatch.setattr(server.state, "exports", places)
    answer = server.client.post("/predict", files={"file": encode(noise(1.0))}).content
    store_of(server).finish(job.removeprefix("/jobs/"), result=answer.decode())
    connections = [request_unread(server, f"{job}?format=words-csv") for _ in range(3 * READS)]
    wait_until(lambda: len(written) == READS)
    refused = server.client.get(job, params={"format": "words-csv"})
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert server.client.get("/health/live").status_code == 200
    assert places.held == READS
    assert len(written) == READS
    # Clients that do not read are disconnected.
    wait_until(lambda: places.held == 0)
    assert returned.wait(30)
    for connection in connections:
        connection.close()
    assert len(server.client.get(job, params={"format": "words-csv"}).content) == 20_000_000
