"""Deletion and expiry while the disk under the folder of jobs is full."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from service.errors import JobsUnavailableError, UnknownJobError
from service.jobs.database import JobDatabase
from service.jobs.store import JobStore
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import run_app
from tests.waiting import wait_until

_T = TypeVar("_T")


class FullDisk:
    """Makes every write of the database fail as on a full disk: always, or while the reserve exists."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reserve: Path | None = None) -> None:
        self.is_full = True
        attempt = JobDatabase._attempt

        def fail(database: JobDatabase, work: Callable[[sqlite3.Connection], Any]) -> Any:
            full = self.is_full and (reserve is None or reserve.exists())
            # SQLite itself raises the error, with its code.
            pages = attempt(database, lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
            limit = pages if full else 2**30
            attempt(database, lambda connection: connection.execute(f"PRAGMA max_page_count = {limit}"))
            return attempt(database, lambda connection: work(_filled(connection) if full else connection))

        monkeypatch.setattr(JobDatabase, "_attempt", fail)


def _filled(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Write more than the free pages hold, in the transaction of the statement."""
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE filler (body BLOB)")
    connection.execute("INSERT INTO filler VALUES (zeroblob(1000000))")
    return connection


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    store = JobStore(tmp_path, 60)
    store.add("a", "{}")
    store.recording("a").write_bytes(b"a recording")
    return store


def test_deletion_uses_the_reserve(store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = tmp_path / "jobs.reserve"
    assert reserve.stat().st_size == 1_000_000
    FullDisk(monkeypatch, reserve)
    with pytest.raises(JobsUnavailableError, match="the disk is full"):
        store.set_total("a", 1.0)
    assert reserve.exists()
    store.delete("a")
    assert not reserve.exists()
    assert not store.recording("a").exists()
    monkeypatch.undo()
    assert store._database.read("SELECT count(*) FROM jobs") == [(0,)]
    store.require_space()
    assert reserve.exists()
    store.close()


def test_recording_is_deleted_although_its_row_cannot_be(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is hidden, is not taken, and is deleted when there is space."""
    FullDisk(monkeypatch)
    store.delete("a")
    assert not store.recording("a").exists()
    monkeypatch.undo()
    assert store._database.read("SELECT count(*) FROM jobs") == [(1,)]
    with pytest.raises(UnknownJobError):
        store.find("a")
    assert store.take() is None
    assert not store.add_window("a", [], 1, 1.0, "[]")
    assert not store.finish("a", result="{}")
    store.delete_expired()
    assert store._database.read("SELECT count(*) FROM jobs") == [(0,)]
    store.close()


def test_row_without_recording_is_deleted_by_the_next_process(
    store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("b", "{}")
    store.recording("b").touch()
    FullDisk(monkeypatch)
    store.delete("a")
    store._database.close()
    monkeypatch.undo()
    restarted = JobStore(tmp_path, 60)
    assert restarted._database.read("SELECT id FROM jobs") == [("b",)]
    restarted.close()


def test_no_job_is_accepted_without_reserve(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    assert store._database.reserve.release()
    monkeypatch.setattr("service.jobs.reserve.create_private", fail)
    with pytest.raises(JobsUnavailableError, match="No space left"):
        store.require_space()
    store.close()


def test_expired_jobs_do_not_prevent_reading(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a job writes nothing, whatever has expired."""
    with run_app(settings, aligner) as client:
        locations = [client.post("/jobs", files={"file": encode(noise(1.0))}).headers["location"] for _ in range(2)]
        wait_until(lambda: all(client.get(each).json()["status"] == "done" for each in locations))
        expired, kept = locations
        store = client.app.state.can_ser.jobs._access._store  # type: ignore[attr-defined]
        store._database.write("UPDATE jobs SET ended = 1 WHERE id = ?", (expired.rpartition("/")[2],))
        store._database._connection.execute("PRAGMA query_only = ON")
        assert (client.get(kept).status_code, client.get(expired).status_code) == (200, 404)
        assert client.delete(kept).status_code == 204
        assert client.get(kept).status_code == 404
