"""Folders of jobs that cannot be used, or that change while the service runs."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.errors import JobsUnavailableError
from service.jobs.database import DATABASE
from service.jobs.store import JobStore
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import run_app, run_server
from tests.waiting import wait_until

DATA = encode(noise(2.0))


def submit(client: TestClient) -> Any:
    return client.post("/jobs", files={"file": DATA})


def ended(client: TestClient, location: str) -> bool:
    return client.get(location).json()["status"] in {"done", "failed"}


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:o}"


@contextmanager
def used_by_another_process(folder: Path) -> Iterator[None]:
    store = JobStore(folder, 60)
    yield
    store.close()


def test_folder_in_use_is_reported_everywhere_and_used_when_it_is_free(
    settings: Settings, aligner: FakeAligner, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.access._RETRY_S", 0.0)
    with used_by_another_process(settings.jobs.folder), run_app(settings, aligner) as client:
        health = client.get("/health/ready")
        assert (health.status_code, health.json()["status"]) == (200, "ready")
        logged = capsys.readouterr().err
        for text in (health.json()["detail"], logged, submit(client).json()["detail"]):
            assert "another process uses the folder" in text
            assert "CAN_JOBS__FOLDER" in text
        assert str(settings.jobs.folder) in logged
        assert str(settings.jobs.folder) not in health.text
        assert client.get("/jobs/x").status_code == 503
        assert client.post("/predict", files={"file": DATA}).status_code == 200
    with run_app(settings, aligner) as client:
        assert client.get("/health/ready").json() == {"status": "ready"}
        assert submit(client).status_code == 202


def test_failure_to_open_is_remembered(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests in the time of one attempt do not wait for attempts of their own."""
    monkeypatch.setattr("service.jobs.access._RETRY_S", 600.0)
    opened: list[Path] = []

    def fail(folder: Path, keep_s: float) -> JobStore:
        opened.append(folder)
        raise JobsUnavailableError(folder, "it is in use")

    settings.jobs.folder.mkdir()
    monkeypatch.setattr("service.jobs.access.JobStore", fail)
    with run_app(settings, aligner) as client:
        assert [client.get("/jobs/x").status_code for _ in range(5)] == [503] * 5
    assert len(opened) == 1


def test_event_loop_does_not_wait_for_the_folder(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service starts, and other requests get responses, while SQLite waits for another process."""
    opening, proceed = threading.Event(), threading.Event()

    def wait(folder: Path, keep_s: float) -> JobStore:
        opening.set()
        assert proceed.wait(30)
        raise JobsUnavailableError(folder, "it is in use")

    monkeypatch.setattr("service.jobs.access.JobStore", wait)
    monkeypatch.setattr("service.jobs.access._START_S", 0.05)
    with run_server(settings, aligner) as server:
        statuses: list[int] = []
        poller = threading.Thread(target=lambda: statuses.append(server.client.get("/jobs/x").status_code))
        poller.start()
        assert opening.wait(30)
        assert server.client.get("/health/live").status_code == 200
        assert server.client.get("/metrics").status_code == 200
        assert not statuses
        proceed.set()
        poller.join(30)
        assert statuses == [503]


def overwrite_start(path: Path) -> None:
    path.write_bytes(b"garbage " * 1_000)


def overwrite_end(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"x" * (len(data) - 4096))


@pytest.mark.parametrize("damage", [overwrite_start, overwrite_end])
def test_damaged_database_is_not_reported_as_locked(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """At the second attempt, too: a connection that stayed open would lock the file."""
    store = JobStore(tmp_path, 60)
    store.add("a", "{}")
    store.close()
    damage(tmp_path / DATABASE)
    for _ in range(3):
        with pytest.raises(JobsUnavailableError, match="jobs.sqlite3 is damaged") as caught:
            JobStore(tmp_path, 60)
        assert "move jobs.sqlite3 out of the folder of CAN_JOBS__FOLDER" in str(caught.value)


def test_folder_that_cannot_be_created_is_reported_at_start(
    settings: Settings, aligner: FakeAligner, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    jobs = settings.jobs.model_copy(update={"folder": tmp_path / "file" / "jobs"})
    with run_app(settings.model_copy(update={"jobs": jobs}), aligner) as client:
        assert "CAN_JOBS__FOLDER" in client.get("/health/ready").json()["detail"]


def test_second_service_finds_the_folder_in_use_at_its_start(
    client: TestClient, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither has a job yet."""
    assert client.get("/health/ready").json() == {"status": "ready"}
    with run_app(settings, FakeAligner()) as second:
        wait_until(lambda: "detail" in second.get("/health/ready").json())
        logged = capsys.readouterr().err
        for text in (second.get("/health/ready").json()["detail"], logged):
            assert "another process uses the folder" in text
            assert "CAN_JOBS__FOLDER" in text
    assert submit(client).status_code == 202


@pytest.mark.parametrize("made_anew", [False, True])
def test_folder_removed_while_running_is_opened_anew(
    client: TestClient, settings: Settings, aligner: FakeAligner, made_anew: bool
) -> None:
    first = submit(client).headers["location"]
    wait_until(lambda: ended(client, first))
    shutil.rmtree(settings.jobs.folder)
    if made_anew:
        settings.jobs.folder.mkdir()
    second = submit(client).headers["location"]
    assert client.get(first).status_code == 404
    with closing(sqlite3.connect(f"file:{settings.jobs.folder / DATABASE}?mode=ro", uri=True)):
        assert (settings.jobs.folder / DATABASE).exists()
    wait_until(lambda: ended(client, second))
    with run_app(settings, aligner) as restarted:
        assert restarted.get("/health/ready").json().get("detail", "").count("another process") == 1
    assert client.get(second).json()["status"] == "done"


def test_folder_replaced_during_a_job_ends_the_job(
    client: TestClient, settings: Settings, aligner: FakeAligner
) -> None:
    aligner.gate.clear()
    first = submit(client).headers["location"]
    wait_until(lambda: aligner.calls == 1)
    shutil.rmtree(settings.jobs.folder)
    assert client.get(first).status_code == 404
    aligner.gate.set()
    second = submit(client).headers["location"]
    wait_until(lambda: ended(client, second))
    assert client.get(second).json()["status"] == "done"


def test_files_are_private(settings: Settings, aligner: FakeAligner) -> None:
    """In a folder that existed before with the usual mode, and in one with files of an earlier version."""
    folder = settings.jobs.folder
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    aligner.gate.clear()
    with run_app(settings, aligner) as client:
        submit(client)
        wait_until(lambda: aligner.calls == 1)
        assert len(list(folder.glob("*.audio"))) == 1
        assert {path.name: mode(path) for path in folder.iterdir() if mode(path) != "600"} == {}
        assert mode(folder) == "700"
        aligner.gate.set()


def test_files_of_an_earlier_version_become_private(tmp_path: Path) -> None:
    store = JobStore(tmp_path, 60)
    store.add("a", "{}")
    store.recording("a").touch()
    store.close()
    tmp_path.chmod(0o755)
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    JobStore(tmp_path, 60).close()
    assert {mode(path) for path in tmp_path.iterdir()} == {"600"}
    assert mode(tmp_path) == "700"


def test_mode_of_a_folder_with_other_files_stays(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "other").touch()
    (tmp_path / "other").chmod(0o644)
    JobStore(tmp_path, 60).close()
    assert (mode(tmp_path), mode(tmp_path / "other"), mode(tmp_path / DATABASE)) == ("755", "644", "600")


def test_database_of_an_earlier_version_is_upgraded(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        database.execute(
            "CREATE TABLE jobs (id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL, "
            "ended REAL, request TEXT NOT NULL, total_s REAL, next_sample INTEGER NOT NULL, done_s REAL NOT NULL, "
            "warnings TEXT NOT NULL, result TEXT, problem TEXT)"
        )
        database.execute("INSERT INTO jobs VALUES ('a', '', 'running', 1, NULL, '{}', NULL, 0, 0, '[]', NULL, NULL)")
        database.commit()
    (tmp_path / "a.audio").touch()
    store = JobStore(tmp_path, 60)
    job = store.take()
    assert job is not None
    assert (job.id, job.attempts) == ("a", 1)
    store.close()
