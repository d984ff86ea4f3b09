"""Several recordings of one request, and the list of a caller's jobs."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.http.middleware.authentication import make_key
from service.jobs.database import DATABASE
from service.jobs.job import JobFilter, clean_name
from service.jobs.store import JobStore
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.jobs.test_jobs import files_left, wait_for
from tests.service.serving import run_app

WAV = encode(noise(3.0))
OTHER = encode(noise(4.0))


def send(client: TestClient, *files: tuple[str, bytes], headers: dict[str, str] | None = None, **fields: str) -> Any:
    return client.post("/jobs", files=[("file", file) for file in files], data=fields, headers=headers)


def listed(client: TestClient, query: str = "", headers: dict[str, str] | None = None) -> Any:
    response = client.get(f"/jobs{query}", headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def refusal(response: Any) -> tuple[int, str, str]:
    problem = response.json()
    return response.status_code, problem["code"], problem["detail"]


def test_each_recording_becomes_a_job(client: TestClient) -> None:
    response = send(client, ("a.wav", WAV), ("folder/b.wav", OTHER), explain="false")
    assert response.status_code == 202
    assert "location" not in response.headers
    first, second = response.json()["jobs"]
    assert (first["file"], second["file"]) == ("a.wav", "b.wav")
    assert first["address"] == f"/jobs/{first['id']}"
    durations = [wait_for(client, each["address"])["result"]["audio"]["duration_s"] for each in (first, second)]
    assert durations == [3.0, 4.0]


def test_one_recording_has_its_own_address(client: TestClient) -> None:
    response = send(client, ("a.wav", WAV))
    assert response.status_code == 202
    assert response.headers["location"] == f"/jobs/{response.json()['id']}"
    assert response.json()["file"] == "a.wav"
    assert "jobs" not in response.json()


def test_recordings_are_accepted_all_or_none(client: TestClient, aligner: FakeAligner, settings: Settings) -> None:
    """The queue holds three jobs."""
    aligner.gate.clear()
    assert send(client, ("a.wav", WAV), ("b.wav", WAV)).status_code == 202
    status, code, text = refusal(send(client, ("c.wav", WAV), ("d.wav", WAV)))
    assert (status, code) == (503, "jobs-full")
    assert "2 jobs are waiting, the limit is 3: there is no room for 2 more, and none was accepted" in text
    assert len(files_left(settings)) == 2
    assert "at most 3 jobs may wait" in refusal(send(client, *[("a.wav", WAV)] * 4))[2]
    assert send(client, ("c.wav", WAV)).status_code == 202
    aligner.gate.set()


def test_undecodable_recording_refuses_all_and_is_named(client: TestClient, settings: Settings) -> None:
    status, code, text = refusal(send(client, ("a.wav", WAV), ("notes.txt", b"no audio"), ("c.wav", WAV)))
    assert (status, code) == (415, "not-audio")
    assert text.startswith("file 2 of 3, 'notes.txt'; none was accepted: ")
    assert files_left(settings) == []
    assert listed(client)["jobs"] == []


def test_number_of_recordings_is_bounded(settings: Settings, aligner: FakeAligner) -> None:
    jobs = settings.jobs.model_copy(update={"max_files": 2})
    with run_app(settings.model_copy(update={"jobs": jobs}), aligner) as client:
        status, code, text = refusal(send(client, *[("a.wav", WAV)] * 3))
    assert (status, code) == (400, "malformed-form")
    assert "more than 2 files" in text
    assert "CAN_JOBS__MAX_FILES" in text


def test_words_belong_to_one_recording(client: TestClient) -> None:
    words = '[{"word": "the", "start": 0.5, "end": 0.9}]'
    status, code, text = refusal(send(client, ("a.wav", WAV), ("b.wav", WAV), words=words))
    assert (status, code) == (400, "malformed-form")
    assert "`words` belong to one recording, and 2 were sent" in text
    assert send(client, ("a.wav", WAV), words=words).status_code == 202


def test_list_is_newest_first_and_paged(client: TestClient) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        job = send(client, (name, WAV)).json()
        wait_for(client, f"/jobs/{job['id']}")
    first = listed(client, "?limit=2")
    assert [job["file"] for job in first["jobs"]] == ["c.wav", "b.wav"]
    newest = first["jobs"][0]
    assert (newest["status"], newest["address"], newest["problem"]) == ("done", f"/jobs/{newest['id']}", None)
    assert newest["progress"] == {"done_s": 3.0, "total_s": 3.0}
    assert newest["created_at"] < newest["expires_at"]
    assert "result" not in newest
    client.delete(first["jobs"][1]["address"])
    second = listed(client, f"?limit=2&cursor={first['next_cursor']}")
    assert ([job["file"] for job in second["jobs"]], second["next_cursor"]) == (["a.wav"], None)


def test_list_of_one_status_contains_problems(client: TestClient, aligner: FakeAligner) -> None:
    done = send(client, ("a.wav", WAV)).json()
    wait_for(client, f"/jobs/{done['id']}")
    failed = send(client, ("long.wav", encode(noise(30.0).repeat(10)))).json()
    assert wait_for(client, f"/jobs/{failed['id']}")["status"] == "failed"
    [job] = listed(client, "?status=failed")["jobs"]
    assert (job["file"], bool(job["problem"]["code"])) == ("long.wav", True)
    assert [job["file"] for job in listed(client, "?status=done")["jobs"]] == ["a.wav"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=many", "cursor=next", "cursor=1_", "status=lost"])
def test_invalid_page_is_refused(client: TestClient, query: str) -> None:
    status, code, text = refusal(client.get(f"/jobs?{query}"))
    assert (status, code) == (400, "malformed-form")
    assert text.startswith(f"`{query.partition('=')[0]}`: ")


def test_key_lists_its_own_jobs(settings: Settings, aligner: FakeAligner) -> None:
    keys = [make_key(), make_key()]
    guarded = settings.model_copy(update={"api_keys": tuple(digest for _, digest in keys)})
    mine, yours = ({"Authorization": f"Bearer {key}"} for key, _ in keys)
    with run_app(guarded, aligner) as client:
        assert send(client, ("mine.wav", WAV), headers=mine).status_code == 202
        assert [job["file"] for job in listed(client, headers=mine)["jobs"]] == ["mine.wav"]
        assert listed(client, headers=yours)["jobs"] == []
        assert client.get("/jobs").status_code == 401


def test_jobs_of_one_moment_have_an_order(tmp_path: Path) -> None:
    store = JobStore(tmp_path, 60, lambda: 1_764_000_000.0)
    store.add_all([(f"{number:x}", "") for number in (12, 3, 7)], "{}")
    seen = []
    cursor = None
    for _ in range(3):
        page = store.read_page(JobFilter(limit=1, cursor=cursor))
        seen += [job.id for job in page.jobs]
        cursor = page.cursor
    assert (seen, cursor) == (["7", "3", "c"], None)
    taken = store.take()
    assert taken is not None
    assert taken.id == "c"
    store.close()


def test_expired_jobs_are_not_listed(tmp_path: Path) -> None:
    now = 1_000.0
    store = JobStore(tmp_path, 60, lambda: now)
    store.add("a", "{}")
    store.recording("a").touch()
    store.finish("a", result="{}")
    assert [job.id for job in store.read_page(JobFilter()).jobs] == ["a"]
    now = 1_061.0
    assert store.read_page(JobFilter()).jobs == ()
    store.close()


def test_database_of_earlier_version_gets_names(tmp_path: Path) -> None:
    store = JobStore(tmp_path, 60)
    store.add("a", "{}")
    store.recording("a").touch()
    store.close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        database.execute("ALTER TABLE jobs DROP COLUMN name")
        database.commit()
    store = JobStore(tmp_path, 60)
    assert [(job.id, job.name) for job in store.read_page(JobFilter()).jobs] == [("a", "")]
    store.close()


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("C:\\fakepath\\a.wav", "a.wav"),
        ("../a.wav", "a.wav"),
        ("a\r\n\x1b[1m.wav", "a[1m.wav"),
        ("x" * 300 + ".wav", "x" * 251 + ".wav"),
        (None, ""),
        ("łódź.wav", "łódź.wav"),
    ],
)
def test_names_are_cleaned(name: str | None, cleaned: str) -> None:
    assert clean_name(name) == cleaned
