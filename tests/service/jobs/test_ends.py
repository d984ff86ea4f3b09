"""Ends of jobs that are neither a result nor a known error: bugs, dying processes, deletion, expiry."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from alignment.audio import AudioFile, inspect_audio
from service.errors import SettingsError
from service.jobs.analysis import MAX_ATTEMPTS
from service.jobs.clock import SteadyClock
from service.jobs.job import Job
from service.jobs.store import JobStore
from service.observability.failures import outline_traceback
from service.settings import Settings, load_settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import run_app
from tests.waiting import wait_until

DATA = encode(noise(2.0))


def submit(client: TestClient) -> str:
    return str(client.post("/jobs", files={"file": DATA}).headers["location"])


def wait_for(client: TestClient, location: str) -> Any:
    wait_until(lambda: client.get(location).json()["status"] in {"done", "failed"})
    return client.get(location).json()


def count(client: TestClient, status: str) -> str:
    """Number of ended jobs in the metrics, as text; "" for none."""
    start = f'can_jobs_total{{status="{status}"}} '
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(start)]
    return lines[0].removeprefix(start) if lines else ""


def test_unexpected_error_is_logged_under_the_job_id_without_content(
    settings: Settings, aligner: FakeAligner, capsys: pytest.CaptureFixture[str]
) -> None:
    with run_app(settings, aligner) as client:
        aligner.error = KeyError("a secret word")
        job = wait_for(client, submit(client))
        wait_until(lambda: count(client, "failed") == "1.0")
    assert job["problem"]["code"] == "internal-error"
    assert f"the job id {job['id']}" in job["problem"]["detail"]
    logged = capsys.readouterr().err
    assert "secret" not in logged + json.dumps(job)
    [line] = [line for line in logged.splitlines() if "unexpected error in a job" in line]
    event = json.loads(line)
    assert (event["level"], event["job"]) == ("error", job["id"])
    assert event["traceback"][0] == "KeyError"
    assert any(line.endswith(" recognise") for line in event["traceback"])


def test_traceback_names_classes_and_calls_of_the_chain() -> None:
    def read_secret() -> None:
        raise ValueError("a secret")

    try:
        try:
            read_secret()
        except ValueError as exc:
            raise RuntimeError("another secret") from exc
    except RuntimeError as exc:
        lines = outline_traceback(exc)
    assert [line for line in lines if "/" not in line] == ["RuntimeError", "caused by ValueError"]
    assert lines[-1].endswith("read_secret")
    assert "a secret" not in "".join(lines)


def die_during(folder: Path) -> Job:
    """Take the next job in a process that ends without closing its store."""
    store = JobStore(folder, 60)
    job = store.take()
    assert job is not None
    store._database.close()
    return job


def test_job_that_ends_its_process_again_and_again_fails(
    settings: Settings, aligner: FakeAligner, client: TestClient
) -> None:
    aligner.gate.clear()
    killer = submit(client)
    other = submit(client)
    wait_until(lambda: aligner.calls == 1)
    client.app.state.can_ser.jobs._access._store._database.close()  # type: ignore[attr-defined]
    aligner.gate.set()
    # The death above was the first one; the other job is taken before the one that was running then.
    store = JobStore(settings.jobs.folder, 60)
    store._database.write("UPDATE jobs SET attempts = ? WHERE id = ?", (MAX_ATTEMPTS, killer.rpartition("/")[2]))
    store.close()
    with run_app(settings, FakeAligner()) as restarted:
        job = wait_for(restarted, killer)
        assert wait_for(restarted, other)["status"] == "done"
    assert (job["status"], job["problem"]["code"]) == ("failed", "job-interrupted")
    assert f"ended {MAX_ATTEMPTS} times" in job["problem"]["detail"]
    assert list(settings.jobs.folder.glob("*.audio")) == []


def test_deaths_are_counted_and_delay_the_job(tmp_path: Path) -> None:
    store = JobStore(tmp_path, 60, iter(range(100)).__next__)
    for name in ("first", "second"):
        store.add(name, "{}")
        store.recording(name).touch()
    store.close()
    assert [die_during(tmp_path).id for _ in range(3)] == ["first", "second", "first"]
    assert [die_during(tmp_path).attempts for _ in range(3)] == [2, 3, 3]


def test_stops_and_finished_windows_are_no_deaths(tmp_path: Path) -> None:
    store = JobStore(tmp_path, 60)
    store.add("a", "{}")
    store.recording("a").touch()
    for _ in range(3):
        assert store.take() is not None
        store.close()
        store = JobStore(tmp_path, 60)
    job = store.take()
    assert job is not None
    assert job.attempts == 1
    store._database.close()
    assert die_during(tmp_path).attempts == 2
    store = JobStore(tmp_path, 60)
    assert store.take() is not None
    assert store.add_window("a", [], 16_000, 1.0, "[]")
    store._database.close()
    assert die_during(tmp_path).attempts == 2


def test_job_deleted_when_a_worker_takes_it_has_not_failed(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken, deleted = threading.Event(), threading.Event()

    def inspect(path: Path, max_duration_s: float) -> AudioFile:
        taken.set()
        assert deleted.wait(30)
        return inspect_audio(path, max_duration_s)

    monkeypatch.setattr("service.jobs.analysis.inspect_audio", inspect)
    with run_app(settings, aligner) as client:
        location = submit(client)
        assert taken.wait(30)
        assert client.delete(location).status_code == 204
        deleted.set()
        wait_until(lambda: count(client, "deleted") == "1.0")
        assert count(client, "failed") == ""
        assert client.get(location).status_code == 404
    logged = capsys.readouterr().err
    assert '"event": "ready"' in logged
    assert "error in a job" not in logged
    assert "job failed" not in logged


def test_step_of_the_system_clock_does_not_expire_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JobStore(tmp_path, 86_400)
    store.add("a", "{}")
    store.finish("a", result="{}")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 25 * 3_600)
    store.delete_expired()
    assert store.find("a").status == "done"
    store.close()


def test_result_from_the_future_is_kept_no_longer_than_others(tmp_path: Path) -> None:
    """The clock was ahead when the job ended, and has been set back before the next start."""
    store = JobStore(tmp_path, 60, lambda: 90_000.0)
    store.add("a", "{}")
    store.finish("a", result="{}")
    store.close()
    store = JobStore(tmp_path, 60, lambda: 1_000.0)
    assert store.find("a").ended == 1_000
    store.close()


def test_steady_clock_counts_from_the_time_of_its_start() -> None:
    elapsed = iter([5.0, 5.0, 7.5])
    clock = SteadyClock(lambda: 1_000.0, lambda: next(elapsed))
    assert [clock(), clock()] == [1_000.0, 1_002.5]


@pytest.mark.parametrize("value", ["inf", "nan", "1e300", "0", "-1"])
def test_unbounded_retention_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CAN_JOBS__KEEP_S", value)
    with pytest.raises(SettingsError, match="CAN_JOBS__KEEP_S"):
        load_settings()


def test_longest_retention_has_a_date(settings: Settings, aligner: FakeAligner) -> None:
    jobs = settings.jobs.model_copy(update={"keep_s": 315_360_000.0})
    with run_app(settings.model_copy(update={"jobs": jobs}), aligner) as client:
        assert wait_for(client, submit(client))["expires_at"] > "2030"


def test_done_job_is_done_to_its_end(tmp_path: Path) -> None:
    """Although silence after the last given word is in no window."""
    store = JobStore(tmp_path, 60)
    for name in ("a", "b"):
        store.add(name, "{}")
        store.set_total(name, 100.0)
        assert store.add_window(name, [], 16_000, 1.0, "[]")
    store.finish("a", result="{}")
    store.finish("b", problem="{}")
    assert (store.find("a").done_s, store.find("b").done_s) == (100.0, 1.0)
    store.close()
