"""Callbacks of jobs, with a local receiver."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from model.bundle import Bundle
from service.jobs import callback_post
from service.jobs.callback_table import NewCallback, RetrySchedule
from service.jobs.callbacks import make_secret
from service.jobs.database import DATABASE
from service.jobs.store import JobStore
from service.settings import Settings
from tests.fakes import FakeAligner
from tests.service.jobs.callback_jobs import DATA, allowing, delivery, message_ids, submit, wait_for, with_jobs
from tests.service.jobs.receiver import SECRET, allow, free_port, run_receiver
from tests.service.serving import run_app, state_of
from tests.waiting import wait_until


def test_receiver_gets_one_signed_message(
    settings: Settings, aligner: FakeAligner, capsys: pytest.CaptureFixture[str]
) -> None:
    aligner.gate.clear()
    with run_receiver() as receiver, run_app(allowing(settings, receiver.port), aligner) as client:
        location = submit(client, receiver.url)
        address = receiver.url.partition("?")[0]
        waiting = {"url": address, "status": "waiting", "attempts": 0, "last_error": None}
        assert delivery(client, location) == waiting | {"next_attempt_at": None, "delivered_at": None}
        aligner.gate.set()
        state = wait_for(client, location, "delivered")
        metrics = client.get("/metrics").text
        job = client.get(location).json()
    [(path, headers, body)] = receiver.requests
    message = Webhook(SECRET).verify(body, headers)
    assert path == "/done?token=secret"
    assert message["type"] == "job.done"
    assert message["data"] == {"id": job["id"], "status": "done", "address": location}
    assert datetime.fromisoformat(message["timestamp"]) >= datetime.fromisoformat(job["created_at"])
    assert (state["attempts"], state["last_error"], state["next_attempt_at"]) == (1, None, None)
    assert state["delivered_at"] >= job["created_at"]
    assert 'can_callbacks_total{outcome="delivered"} 1.0' in metrics
    assert "can_callbacks_pending 0.0" in metrics
    logged = capsys.readouterr().err
    assert "callback attempted" in logged
    assert "token" not in logged + json.dumps(job)
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret()).verify(body, headers)


def test_message_names_the_address_under_the_path_of_a_proxy(settings: Settings, aligner: FakeAligner) -> None:
    with run_receiver() as receiver:
        changed = allowing(settings, receiver.port).model_copy(update={"root_path": "/emotion"})
        with run_app(changed, aligner) as client:
            location = submit(client, receiver.url)
            wait_for(client, location, "delivered")
    [(_, headers, body)] = receiver.requests
    assert location.startswith("/emotion/jobs/")
    assert Webhook(SECRET).verify(body, headers)["data"]["address"] == location


def test_failed_job_is_reported(settings: Settings, aligner: FakeAligner) -> None:
    with run_receiver() as receiver, run_app(allowing(settings, receiver.port), aligner) as client:
        aligner.error = KeyError("a bug")
        wait_for(client, submit(client, receiver.url), "delivered")
    [(_, headers, body)] = receiver.requests
    assert Webhook(SECRET).verify(body, headers)["type"] == "job.failed"


def test_job_without_callback_has_none(settings: Settings, aligner: FakeAligner) -> None:
    with run_receiver() as receiver, run_app(allowing(settings, receiver.port), aligner) as client:
        job = client.post("/jobs", files={"file": DATA}, data={"callback": " "}).json()
        wait_until(lambda: client.get(f"/jobs/{job['id']}").json()["status"] == "done")
        assert delivery(client, f"/jobs/{job['id']}") is None
    assert receiver.requests == []


def test_receiver_that_is_down_and_fails_gets_the_message_once_it_works(
    settings: Settings, aligner: FakeAligner
) -> None:
    port = free_port()
    with run_app(allowing(settings, port, callback_attempts=20, callback_retry_s=0.3), aligner) as client:
        location = submit(client, f"http://127.0.0.1:{port}/")
        wait_until(lambda: "refused" in str(delivery(client, location)["last_error"]))
        with run_receiver(500, 503, 200, port=port) as receiver:
            state = wait_for(client, location, "delivered", "failed")
        metrics = client.get("/metrics").text
    assert state["status"] == "delivered"
    assert state["attempts"] >= 4
    assert len(receiver.requests) == 3
    assert len(set(message_ids(receiver))) == 1
    assert len({body for _, _, body in receiver.requests}) == 1
    assert f'can_callbacks_total{{outcome="retried"}} {state["attempts"] - 1}.0' in metrics


@pytest.mark.parametrize(
    ("status", "headers", "attempts", "error"),
    [
        (500, {}, 3, "the receiver responded with status 500"),
        (404, {}, 3, "the receiver responded with status 404"),
        (410, {}, 1, "the receiver responded with status 410"),
        (302, {"Location": "http://169.254.169.254/"}, 3, "the receiver redirects (status 302)"),
        (200, {"x-filler": "a" * callback_post.MAX_HEAD_BYTES}, 3, "the headers of the response are too long"),
    ],
)
def test_attempts_end(
    settings: Settings, aligner: FakeAligner, status: int, headers: dict[str, str], attempts: int, error: str
) -> None:
    with (
        run_receiver(status, headers=headers) as receiver,
        run_app(allowing(settings, receiver.port, callback_attempts=3), aligner) as client,
    ):
        state = wait_for(client, submit(client, receiver.url), "failed")
        assert 'can_callbacks_total{outcome="failed"} 1.0' in client.get("/metrics").text
    assert (state["attempts"], len(receiver.requests)) == (attempts, attempts)
    assert state["last_error"].startswith(error)


def test_redirect_to_another_receiver_is_not_followed(settings: Settings, aligner: FakeAligner) -> None:
    with run_receiver() as other, run_receiver(307, headers={"Location": other.url}) as receiver:
        hosts = [f"http://127.0.0.1:{each.port}" for each in (receiver, other)]
        jobs = allow(settings.jobs, *hosts, callback_attempts=2)
        with run_app(with_jobs(settings, jobs), aligner) as client:
            assert "not followed" in wait_for(client, submit(client, receiver.url), "failed")["last_error"]
    assert (len(receiver.requests), other.requests) == (2, [])


def test_poll_of_a_job_is_one_access_to_its_store(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    aligner.gate.clear()
    with run_receiver() as receiver, run_app(allowing(settings, receiver.port), aligner) as client:
        location = submit(client, receiver.url)
        wait_until(lambda: client.get(location).json()["status"] == "running")
        access, calls = state_of(client).jobs._access, []
        call = access.call

        def count(work: Callable[[JobStore], Any]) -> Any:
            calls.append(work)
            return call(work)

        monkeypatch.setattr(access, "call", count)
        assert delivery(client, location)["status"] == "waiting"
        assert len([each for each in calls if each.__qualname__.startswith("JobRunner.")]) == 1
        aligner.gate.set()


def test_slow_receiver_delays_nothing_else(settings: Settings, aligner: FakeAligner) -> None:
    """While one receiver does not respond, jobs end, requests are served, and another receiver gets its messages."""
    with run_receiver() as slow, run_receiver() as quick:
        slow.gate.clear()
        hosts = [f"http://127.0.0.1:{each.port}" for each in (slow, quick)]
        jobs = allow(settings.jobs, *hosts, callback_timeout_s=30.0)
        with run_app(with_jobs(settings, jobs), aligner) as client:
            blocked = submit(client, slow.url)
            wait_until(lambda: len(slow.requests) == 1)
            assert wait_for(client, submit(client, quick.url), "delivered")["attempts"] == 1
            assert client.post("/predict", files={"file": DATA}).status_code == 200
            assert delivery(client, blocked)["status"] == "pending"
            slow.gate.set()
            assert wait_for(client, blocked, "delivered")["attempts"] == 1


def test_receiver_without_response_times_out(settings: Settings, aligner: FakeAligner) -> None:
    with run_receiver() as receiver:
        receiver.gate.clear()
        changed = allowing(settings, receiver.port, callback_timeout_s=0.2, callback_attempts=2)
        with run_app(changed, aligner) as client:
            state = wait_for(client, submit(client, receiver.url), "failed")
    assert (state["attempts"], state["last_error"]) == (2, "no response within 0.2 s")


def test_service_stopped_between_result_and_delivery_delivers_later(settings: Settings, aligner: FakeAligner) -> None:
    """The receiver is down when the job ends; the next process of the service sends the message."""
    port = free_port()
    changed = allowing(settings, port, callback_retry_s=0.5)
    with run_app(changed, aligner) as client:
        location = submit(client, f"http://127.0.0.1:{port}/")
        wait_until(lambda: client.get(location).json()["status"] == "done")
        wait_until(lambda: delivery(client, location)["last_error"] is not None)
    with run_receiver(port=port) as receiver, run_app(changed, FakeAligner()) as client:
        state = wait_for(client, location, "delivered")
    assert state["attempts"] >= 2
    assert message_ids(receiver) == [f"msg_{location.rpartition('/')[2]}"]


@pytest.mark.slow
def test_process_killed_during_delivery_sends_the_same_message_again(
    settings: Settings, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    """The receiver has the message, but the killed process has not seen its response."""
    recording = tmp_path / "recording.wav"
    recording.write_bytes(DATA)
    with run_receiver() as receiver:
        receiver.gate.clear()
        arguments = [str(tiny_bundle.folder), str(settings.jobs.folder), str(recording), receiver.url]
        command = [sys.executable, "-m", "tests.service.jobs.killed_callback", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                job_id = process.stdout.readline().strip()
                wait_until(lambda: len(receiver.requests) == 1)
            finally:
                process.kill()
        receiver.gate.set()
        with run_app(allowing(settings, receiver.port), FakeAligner()) as client:
            state = wait_for(client, f"/jobs/{job_id}", "delivered")
    assert (state["attempts"], message_ids(receiver)) == (2, [f"msg_{job_id}"] * 2)


def test_attempts_of_dying_processes_are_counted(tmp_path: Path) -> None:
    """A process that is killed during an attempt leaves it counted; after the last one the callback has failed."""
    schedule = RetrySchedule(2, 1.0, 1.0, 3_600.0)
    for attempts in (1, 2):
        store = JobStore(tmp_path, 3_600)
        if attempts == 1:
            store.add("a", "{}", callback=NewCallback("http://127.0.0.1:9/"))
            assert store.callbacks.begin(9, schedule) == []  # the job has not ended
            store.finish("a", result="{}")
        store._database.write("UPDATE callbacks SET next_attempt = 0")
        [due] = store.callbacks.begin(9, schedule)
        assert (due.callback.attempts, due.job_status) == (attempts, "done")
        assert store.callbacks.begin(9, schedule) == []
        store._database.close()
    store = JobStore(tmp_path, 3_600)
    store._database.write("UPDATE callbacks SET next_attempt = 0")
    assert store.callbacks.begin(9, schedule) == []
    callback = store.callbacks.find("a")
    assert callback is not None
    assert (callback.status, callback.attempts) == ("failed", 2)
    assert "ended during the last attempt" in str(callback.last_error)
    assert store.callbacks.next_due() is None
    store.close()


def test_deleted_job_sends_nothing(settings: Settings, aligner: FakeAligner) -> None:
    port = free_port()
    with run_app(allowing(settings, port, callback_retry_s=0.3), aligner) as client:
        location = submit(client, f"http://127.0.0.1:{port}/")
        wait_until(lambda: delivery(client, location)["last_error"] is not None)
        assert client.delete(location).status_code == 204
        with run_receiver(port=port) as receiver:
            wait_for(client, submit(client, receiver.url), "delivered")
    assert f"msg_{location.rpartition('/')[2]}" not in message_ids(receiver)


def test_waits_grow_with_jitter_up_to_an_hour() -> None:
    schedule = RetrySchedule(8, 5.0, 10.0, 86_400.0)
    for attempts, longest_s in ((1, 5), (2, 20), (3, 80), (5, 1_280), (6, 3_600), (20, 3_600)):
        waits = [schedule.wait_s(attempts) for _ in range(200)]
        assert longest_s / 2 <= min(waits) < max(waits) <= longest_s


def test_clock_that_was_set_back_does_not_delay_callbacks(tmp_path: Path) -> None:
    store = JobStore(tmp_path, 3_600, lambda: 90_000.0)
    store.add("a", "{}", callback=NewCallback("http://127.0.0.1:9/"))
    store.finish("a", result="{}")
    store.callbacks.begin(9, RetrySchedule(8, 3_600.0, 1.0, 3_600.0))
    store.close()
    store = JobStore(tmp_path, 3_600, lambda: 1_000.0)
    next_s = store.callbacks.next_due()
    assert next_s is not None
    assert 0 < next_s <= 3_600
    store.close()


def test_database_of_an_earlier_version_is_migrated(tmp_path: Path) -> None:
    JobStore(tmp_path, 60).close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as old, old:
        old.execute("DROP TABLE callbacks")
    store = JobStore(tmp_path, 60)
    store.add("a", "{}", callback=NewCallback("http://127.0.0.1:9/"))
    assert store.callbacks.find("a") is not None
    store.delete("a")
    assert store.callbacks.find("a") is None
    store.close()


def test_replaced_folder_does_not_end_callbacks(settings: Settings, aligner: FakeAligner) -> None:
    """The database is opened again while an attempt is in progress; callbacks of later jobs are sent."""
    with run_receiver() as receiver, run_app(allowing(settings, receiver.port), aligner) as client:
        receiver.gate.clear()
        submit(client, receiver.url)
        wait_until(lambda: len(receiver.requests) == 1)
        state_of(client).jobs._access._release()
        receiver.gate.set()
        wait_for(client, submit(client, receiver.url), "delivered")


def test_many_slow_receivers_are_bounded(settings: Settings, aligner: FakeAligner) -> None:
    """No more than 16 attempts are in progress, and every message arrives."""
    with run_receiver() as receiver:
        changed = allowing(settings, receiver.port, max_waiting=100, callback_timeout_s=60)
        with run_app(changed, aligner) as client:
            receiver.gate.clear()
            locations = [submit(client, receiver.url) for _ in range(20)]
            wait_until(lambda: all(client.get(each).json()["status"] == "done" for each in locations))
            wait_until(lambda: len(receiver.requests) == 16)
            assert threading.active_count() < 200
            receiver.gate.set()
            for location in locations:
                wait_for(client, location, "delivered")
    assert len(set(message_ids(receiver))) == 20
