import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from alignment.errors import AlignerFailedError
from model.bundle import Bundle
from service.errors import JobsUnavailableError, UnknownJobError
from service.jobs.database import DATABASE
from service.jobs.store import JobStore
from service.settings import Settings
from tests.builders import encode, noise, tone
from tests.comparing import assert_same_result
from tests.fakes import FakeAligner
from tests.service.serving import run_app, run_server, state_of, words_of
from tests.waiting import wait_until

LONG = encode(np.tile(noise(1.0), 150))
TWO_WINDOWS = LONG[: 44 + 2 * 16_000 * 70]


def submit(client: TestClient, data: bytes = LONG, **fields: str) -> Any:
    return client.post("/jobs", files={"file": data}, data=fields)


def wait_for(client: TestClient, location: str) -> Any:
    wait_until(lambda: client.get(location).json()["status"] in {"done", "failed"})
    return client.get(location).json()


def files_left(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.jobs.folder.iterdir() if not path.name.startswith("jobs."))


def test_job_from_start_to_end(client: TestClient, settings: Settings) -> None:
    """150 s of audio in windows of at most 60 s, in each of which the fake aligner recognises two words."""
    accepted = submit(client)
    assert accepted.status_code == 202
    assert accepted.json()["status"] in {"queued", "running"}
    job = wait_for(client, accepted.headers["location"])
    assert (job["status"], job["problem"]) == ("done", None)
    assert job["progress"] == {"done_s": 150.0, "total_s": 150.0}
    assert job["expires_at"] > job["created_at"]
    result = job["result"]
    starts = [utterance["start_s"] for utterance in result["utterances"]]
    assert len(starts) >= 3
    assert starts == sorted(starts)
    assert all(30 <= late - early <= 60 for early, late in pairwise(starts))
    durations = [utterance["end_s"] - utterance["start_s"] for utterance in result["utterances"]]
    for emotion, value in result["probabilities"].items():
        each = [utterance["probabilities"][emotion] for utterance in result["utterances"]]
        assert value == pytest.approx(np.average(each, weights=durations), abs=1e-3)
    assert files_left(settings) == []


def test_memory_is_returned_after_the_response_is_stored(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[int] = []
    returned: list[int] = []
    finish = JobStore.finish

    def store(store: JobStore, job_id: str, **fields: str) -> bool:
        stored.append(1)
        return finish(store, job_id, **fields)

    monkeypatch.setattr(JobStore, "finish", store)
    monkeypatch.setattr("service.jobs.runner.return_memory", lambda: returned.append(len(stored)))
    for _ in range(2):
        wait_for(client, submit(client, encode(noise(1.0))).headers["location"])
    wait_until(lambda: len(returned) == 2)
    assert returned == [1, 2]


def test_short_job_equals_request(client: TestClient) -> None:
    words = json.dumps([{"word": "the", "start": 0.5, "end": 0.9}, {"word": "garden", "start": 2.0, "end": 2.9}])
    foreign = words.replace("the", "она").replace("garden", "книга")
    kinds: list[dict[str, str]] = [
        {},
        {"words": words, "explain": "full"},
        {"words": words, "explain": "occlusion"},
        {"words": foreign, "explain": "false"},
    ]
    for fields in kinds:
        data = encode(noise(4.0), 16_000)
        job = wait_for(client, submit(client, data, **fields).headers["location"])
        assert_same_result(job["result"], client.post("/predict", files={"file": data}, data=fields).json())


def test_given_words_of_a_long_recording(client: TestClient, settings: Settings) -> None:
    """The result of windows equals that of the whole recording."""
    words = [{"word": "garden", "start": 2.0 * i + 0.5, "end": 2.0 * i + 1.1} for i in range(70)]
    job = wait_for(client, submit(client, LONG, words=json.dumps(words)).headers["location"])
    assert [word["word"] for word in words_of(job["result"])] == ["garden"] * 70
    long = settings.model_copy(update={"max_audio_s": 200, "max_upload_bytes": 10_000_000})
    with run_app(long, FakeAligner()) as other:
        result = other.post("/predict", files={"file": LONG}, data={"words": json.dumps(words)}).json()
    assert_same_result(job["result"], result)


@pytest.mark.parametrize(
    ("data", "fields", "status", "code"),
    [
        (b"", {}, 400, "empty-file"),
        (b"not audio", {}, 415, "not-audio"),
        (LONG, {"aligner": "none"}, 422, "aligner-not-served"),
        (LONG, {"words": "["}, 400, "malformed-form"),
        (LONG, {"language": "de"}, 422, "unsupported-language"),
        (LONG, {"language": "klingon"}, 422, "unsupported-language"),
        (LONG, {"words": '[{"word": "long", "start": 1, "end": 149}]'}, 422, "word-too-long"),
        (LONG, {"words": "[]"}, 422, "empty-transcript"),
        (LONG, {"words": '[{"word": "a", "start": 2, "end": 1}]'}, 422, "words-out-of-order"),
        (
            LONG,
            {"words": '[{"word": "a", "start": 2, "end": 3}, {"word": "b", "start": 1, "end": 2}]'},
            422,
            "words-out-of-order",
        ),
        (LONG, {"words": '[{"word": "a", "start": -1, "end": 1}]'}, 422, "words-out-of-bounds"),
    ],
)
def test_invalid_job_is_refused_immediately(
    client: TestClient, settings: Settings, data: bytes, fields: dict[str, str], status: int, code: str
) -> None:
    response = submit(client, data, **fields)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not settings.jobs.folder.exists() or files_left(settings) == []


@pytest.mark.parametrize(
    ("data", "fields", "code"),
    [
        (encode(np.zeros(16_000, np.float32)), {}, "silent-audio"),
        (encode(np.tile(noise(1.0, rate_hz=4_000), 201), 4_000), {}, "audio-too-long"),
        (encode(tone(1.0)), {"words": '[{"word": "a", "start": 3, "end": 4}]'}, "words-out-of-bounds"),
    ],
)
def test_late_error_is_problem_of_the_job(
    client: TestClient, settings: Settings, data: bytes, fields: dict[str, str], code: str
) -> None:
    job = wait_for(client, submit(client, data, **fields).headers["location"])
    assert (job["status"], job["result"], job["problem"]["code"]) == ("failed", None, code)
    assert files_left(settings) == []


def test_failed_job_does_not_affect_the_next(client: TestClient, aligner: FakeAligner) -> None:
    for error, code in (
        (AlignerFailedError("fake", "it fell over"), "aligner-failed"),
        (KeyError("a secret"), "internal-error"),
    ):
        aligner.error = error
        job = wait_for(client, submit(client).headers["location"])
        assert job["problem"]["code"] == code
        assert "secret" not in json.dumps(job)
    aligner.error = None
    assert wait_for(client, submit(client).headers["location"])["status"] == "done"


def test_queue_is_bounded_and_deletion_frees_capacity(
    client: TestClient, aligner: FakeAligner, settings: Settings
) -> None:
    aligner.gate.clear()
    locations = [submit(client).headers["location"] for _ in range(3)]
    refused = submit(client)
    assert (refused.status_code, refused.json()["code"]) == (503, "jobs-full")
    assert int(refused.headers["retry-after"]) >= 1
    wait_until(lambda: aligner.calls == 1)
    for location in locations[:2]:
        assert client.delete(location).status_code == 204
        assert (client.get(location).status_code, client.delete(location).json()["code"]) == (404, "unknown-job")
    assert submit(client).status_code == 202
    aligner.gate.set()
    assert wait_for(client, locations[2])["status"] == "done"


def test_full_queue_refuses_before_the_body(settings: Settings, aligner: FakeAligner) -> None:
    """The recording is announced and not sent, as by clients that wait for `100 Continue`."""
    head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    aligner.gate.clear()
    with run_server(settings, aligner) as server:
        for _ in range(3):
            server.client.post("/jobs", files={"file": LONG}).raise_for_status()
        with server.connect() as connection:
            connection.sendall(head + b"Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n")
            received = connection.recv(65_536)
        assert received.startswith(b"HTTP/1.1 503")
        assert b"jobs-full" in received
        assert len(files_left(settings)) == 3
        aligner.gate.set()


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["recognise", "classify"])
def test_jobs_survive_killed_process(tmp_path: Path, tiny_bundle: Bundle, settings: Settings, stage: str) -> None:
    (tmp_path / "long.wav").write_bytes(TWO_WINDOWS)
    command = [sys.executable, "-m", "tests.service.jobs.killed_job", str(tiny_bundle.folder)]
    command += [str(settings.jobs.folder), str(tmp_path / "long.wav"), stage]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        printed = {process.stdout.readline().strip() for _ in range(3)}
        process.kill()
    assert "blocked" in printed
    (settings.jobs.folder / "0.audio-part").write_bytes(b"incomplete upload")
    completed = sum((done_s > 0) + (done_s >= 70) for done_s in done_seconds(settings))
    assert completed
    resumed = FakeAligner()
    with run_app(settings, resumed) as restarted:
        jobs = [wait_for(restarted, f"/jobs/{name}") for name in printed - {"blocked"}]
        assert files_left(settings) == []
        calls = resumed.calls
        reference = wait_for(restarted, submit(restarted, TWO_WINDOWS).headers["location"])
    assert resumed.calls - calls == len(reference["result"]["utterances"]) == 2
    # Windows that were done before are not recognised again.
    assert calls == 4 - completed
    assert len(jobs) == 2
    for job in jobs:
        assert job["status"] == "done"
        assert_same_result(job["result"], reference["result"])


def done_seconds(settings: Settings) -> list[float]:
    """Stored progress of each job."""
    with closing(sqlite3.connect(settings.jobs.folder / DATABASE)) as database:
        return [done_s for (done_s,) in database.execute("SELECT done_s FROM jobs")]


def test_stop_requeues_jobs(settings: Settings, aligner: FakeAligner) -> None:
    """The server stops while the aligner processes the second window of a job."""
    with run_app(settings, aligner) as first:
        location = submit(first).headers["location"]
        wait_until(lambda: first.get(location).json()["progress"]["done_s"] > 0)
        aligner.gate.clear()
        assert first.get(location).json()["status"] == "running"
    aligner.gate.set()
    resumed = FakeAligner()
    with run_app(settings, resumed) as second:
        job = wait_for(second, location)
    assert job["status"] == "done"
    assert len(job["result"]["utterances"]) == 4
    assert resumed.calls < 4


def test_temporarily_read_only_disk_loses_no_job(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.runner._SWEEP_S", 0.05)
    with run_app(settings, aligner) as client:
        aligner.gate.clear()
        location = submit(client).headers["location"]
        wait_until(lambda: aligner.calls == 1)
        store = state_of(client).jobs._access._store
        assert store is not None
        requeued: list[str] = []
        requeue = JobStore.requeue

        def record(store: JobStore, job_id: str) -> None:
            requeued.append(job_id)
            requeue(store, job_id)

        monkeypatch.setattr(JobStore, "requeue", record)
        store._database._connection.execute("PRAGMA query_only = ON")
        refused = submit(client)
        assert (refused.status_code, refused.json()["code"]) == (503, "jobs-unavailable")
        aligner.gate.set()
        wait_until(lambda: len(requeued) > 2)
        assert files_left(settings) == [f"{requeued[0]}.audio"]
        store._database._connection.execute("PRAGMA query_only = OFF")
        job = wait_for(client, location)
    assert (job["status"], len(job["result"]["utterances"])) == ("done", 4)
    assert aligner.calls == 5
    assert files_left(settings) == []


def test_full_disk_is_503(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("service.jobs.uploads.shutil.copyfileobj", fail)
    refused = submit(client)
    assert (refused.status_code, refused.json()["code"]) == (503, "jobs-unavailable")
    assert "No space left" in refused.json()["detail"]
    monkeypatch.setattr("tempfile.SpooledTemporaryFile.write", fail)
    full = submit(client)
    assert (full.status_code, full.json()["code"]) == (503, "no-room")
    assert int(full.headers["retry-after"]) >= 1


def test_concurrent_jobs_do_not_exceed_limit(client: TestClient, aligner: FakeAligner) -> None:
    aligner.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        statuses = [response.status_code for response in pool.map(lambda _: submit(client, TWO_WINDOWS), range(8))]
    aligner.gate.set()
    assert sorted(statuses) == [202] * 3 + [503] * 5


def test_results_expire(tmp_path: Path) -> None:
    now = 1_000.0
    store = JobStore(tmp_path, 60, lambda: now)
    store.add("a", "{}")
    now += 10_000
    store.delete_expired()
    assert store.find("a").status == "queued"
    store.finish("a", result="{}")
    assert store.find("a").status == "done"
    now += 61
    with pytest.raises(UnknownJobError):
        store.find("a")
    assert rows_of(store) == 1
    store.delete_expired()
    assert rows_of(store) == 0
    store.close()


def rows_of(store: JobStore) -> int:
    [(rows,)] = store._database.read("SELECT count(*) FROM jobs")
    return int(rows)


def test_job_of_other_owner_is_unknown(tmp_path: Path) -> None:
    store = JobStore(tmp_path, 60)
    store.add("a", "{}", "me")
    assert store.find("a", "me").owner == "me"
    with pytest.raises(UnknownJobError):
        store.find("a", "you")
    store.close()


def test_folder_is_locked_by_one_process(tmp_path: Path) -> None:
    store = JobStore(tmp_path, 60)
    with pytest.raises(JobsUnavailableError, match="another process uses the folder"):
        JobStore(tmp_path, 60)
    store.close()
    JobStore(tmp_path, 60).close()
    (tmp_path / "file").touch()
    with pytest.raises(JobsUnavailableError, match="CAN_JOBS__FOLDER"):
        JobStore(tmp_path / "file", 60)
