"""Callbacks of jobs, with a local receiver."""

import json
import re
import sqlite3
import ssl
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi.testclient import TestClient
from standardwebhooks import Webhook, WebhookVerificationError

from model.bundle import Bundle
from service.errors import SettingsError
from service.jobs import callback_post
from service.jobs.callback_table import NewCallback, RetrySchedule
from service.jobs.callbacks import make_secret
from service.jobs.database import DATABASE
from service.jobs.store import JobStore
from service.setting_groups import JobSettings
from service.settings import Settings, load_settings
from tests.builders import ROOT, encode, noise
from tests.fakes import FakeAligner
from tests.service.jobs.receiver import SECRET, Receiver, allow, free_port, run_receiver
from tests.service.serving import run_app, state_of
from tests.waiting import wait_until

DATA = encode(noise(2.0))


def with_jobs(settings: Settings, jobs: JobSettings) -> Settings:
    return settings.model_copy(update={"jobs": jobs})


def allowing(settings: Settings, port: int, **fields: Any) -> Settings:
    return with_jobs(settings, allow(settings.jobs, f"http://127.0.0.1:{port}", **fields))


def submit(client: TestClient, callback: str) -> str:
    response = client.post("/jobs", files={"file": DATA}, data={"callback": callback})
    assert response.status_code == 202, response.text
    return str(response.headers["location"])


def delivery(client: TestClient, location: str) -> Any:
    return client.get(location).json()["callback"]


def wait_for(client: TestClient, location: str, *statuses: str) -> Any:
    wait_until(lambda: delivery(client, location)["status"] in statuses)
    return delivery(client, location)


def message_ids(receiver: Receiver) -> list[str]:
    return [headers["webhook-id"] for _, headers, _ in receiver.requests]


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


@pytest.mark.parametrize(
    ("hosts", "callback", "reason"),
    [
        ((), "https://hooks.example.org/", "CAN_JOBS__CALLBACK_HOSTS"),
        (("hooks.example.org",), "http://hooks.example.org/?token=secret", "not an allowed host"),
        (("hooks.example.org",), "http://127.0.0.1:9/", "not an allowed host"),
        (("hooks.example.org",), "no address", "characters"),
    ],
)
def test_other_callback_is_refused(
    settings: Settings, aligner: FakeAligner, hosts: Sequence[str], callback: str, reason: str
) -> None:
    with run_app(with_jobs(settings, allow(settings.jobs, *hosts)), aligner) as client:
        response = client.post("/jobs", files={"file": DATA}, data={"callback": callback})
        assert (response.status_code, response.json()["code"]) == (422, "callback-refused")
        assert client.post("/predict", files={"file": DATA}, data={"callback": callback}).status_code == 400
    assert reason in response.json()["detail"]
    assert "secret" not in response.text


def test_name_of_a_private_address_fails(settings: Settings, aligner: FakeAligner) -> None:
    with run_receiver() as receiver:
        host = f"http://localhost:{receiver.port}"
        for networks, status in (((), "failed"), (("127.0.0.0/8", "::1/128"), "delivered")):
            jobs = allow(settings.jobs, host, callback_networks=networks, callback_attempts=2)
            with run_app(with_jobs(settings, jobs), FakeAligner()) as client:
                state = wait_for(client, submit(client, f"{host}/"), status)
                assert ("CAN_JOBS__CALLBACK_NETWORKS" in str(state["last_error"])) == (status == "failed")
    assert len(receiver.requests) == 1


def test_connection_goes_to_the_checked_address(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that resolves to another address the second time (DNS rebinding) is resolved once."""
    lookups: list[str] = []

    def look_up(host: str, port: int) -> list[str]:
        lookups.append(host)
        return ["127.0.0.1"] if len(lookups) == 1 else ["169.254.169.254"]

    monkeypatch.setattr(callback_post, "_look_up", look_up)
    with run_receiver() as receiver:
        host = f"http://rebinding.test:{receiver.port}"
        jobs = allow(settings.jobs, host, callback_networks=["127.0.0.0/8"])
        with run_app(with_jobs(settings, jobs), aligner) as client:
            wait_for(client, submit(client, f"{host}/x"), "delivered")
    [(path, headers, _)] = receiver.requests
    assert lookups == ["rebinding.test"]
    assert (path, headers["host"]) == ("/x", f"rebinding.test:{receiver.port}")


def make_certificate(folder: Path, name: str) -> Path:
    """Self-signed certificate and key of a host."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + certificate.public_bytes(pem))
    return path


def test_certificate_is_verified(
    settings: Settings, aligner: FakeAligner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_certificate(tmp_path, "hooks.example.org")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    monkeypatch.setattr(callback_post, "_look_up", lambda host, port: ["127.0.0.1"])
    states = {}
    with run_receiver(tls=context) as receiver:
        for host, trusted in (("hooks.example.org", True), ("hooks.example.org", False), ("other.example.org", True)):
            monkeypatch.setenv("SSL_CERT_FILE", str(path) if trusted else "")
            address = f"{host}:{receiver.port}"
            jobs = allow(settings.jobs, address, callback_networks=["127.0.0.0/8"], callback_attempts=1)
            with run_app(with_jobs(settings, jobs), FakeAligner()) as client:
                states[host, trusted] = wait_for(client, submit(client, f"https://{address}/"), "delivered", "failed")
    assert states["hooks.example.org", True]["status"] == "delivered"
    assert "self-signed certificate" in states["hooks.example.org", False]["last_error"]
    assert "TLS" in states["other.example.org", True]["last_error"]
    assert len(receiver.requests) == 1


def test_replaced_folder_does_not_end_callbacks(settings: Settings, aligner: FakeAligner) -> None:
    """The database is opened again while an attempt is in progress; callbacks of later jobs are sent."""
    with run_receiver() as receiver, run_app(allowing(settings, receiver.port), aligner) as client:
        receiver.gate.clear()
        submit(client, receiver.url)
        wait_until(lambda: len(receiver.requests) == 1)
        state_of(client).jobs._access._release()
        receiver.gate.set()
        wait_for(client, submit(client, receiver.url), "delivered")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_unusable_secret_prevents_the_start(settings: Settings, aligner: FakeAligner, secret: str) -> None:
    jobs = allow(settings.jobs, "hooks.example.org", callback_secret=secret)
    with pytest.raises(SettingsError, match="CAN_JOBS__CALLBACK_SECRET") as refused:
        run_app(with_jobs(settings, jobs), aligner).__enter__()
    assert len(secret) < 9 or secret not in str(refused.value)


def test_two_secrets_give_two_signatures(settings: Settings, aligner: FakeAligner) -> None:
    other = make_secret()
    with run_receiver() as receiver:
        changed = allowing(settings, receiver.port, callback_secret=f"{SECRET} {other}")
        with run_app(changed, aligner) as client:
            wait_for(client, submit(client, receiver.url), "delivered")
    [(_, headers, body)] = receiver.requests
    for secret in (SECRET, other):
        assert Webhook(secret).verify(body, headers)["type"] == "job.done"


def test_receiver_of_the_documents_verifies_messages(settings: Settings, aligner: FakeAligner) -> None:
    text = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    [program] = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "standardwebhooks" in block]
    names: dict[str, Any] = {}
    exec(re.sub(r"whsec_\w+", SECRET, program), names)
    with run_receiver() as receiver, run_app(allowing(settings, receiver.port), aligner) as client:
        wait_for(client, submit(client, receiver.url), "delivered")
    [(_, headers, body)] = receiver.requests
    documented = TestClient(names["app"])
    kept = {name: value for name, value in headers.items() if name.startswith("webhook-")}
    assert documented.post("/can-ser", content=body, headers=kept).status_code == 204
    assert documented.post("/can-ser", content=body + b" ", headers=kept).status_code == 403


def test_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAN_JOBS__CALLBACK_HOSTS", "hooks.example.org, http://app:9000")
    monkeypatch.setenv("CAN_JOBS__CALLBACK_NETWORKS", "10.0.0.0/8,127.0.0.1")
    monkeypatch.setenv("CAN_JOBS__CALLBACK_SECRET", SECRET)
    jobs = load_settings().jobs
    assert jobs.callback_networks == ("10.0.0.0/8", "127.0.0.1/32")
    assert jobs.callback_secret.get_secret_value() == SECRET
    assert SECRET not in repr(jobs)
    for name, value in (("HOSTS", "https://hooks.example.org/path"), ("NETWORKS", "10.0.0.1/8"), ("NETWORKS", "*")):
        monkeypatch.setenv(f"CAN_JOBS__CALLBACK_{name}", value)
        with pytest.raises(SettingsError, match=f"CAN_JOBS__CALLBACK_{name}"):
            load_settings()
        monkeypatch.delenv(f"CAN_JOBS__CALLBACK_{name}")


def test_many_slow_receivers_are_bounded(settings: Settings, aligner: FakeAligner) -> None:
    """No more than 16 attempts are in progress, and every message arrives."""
    with run_receiver() as receiver:
        changed = allowing(settings, receiver.port, max_waiting=100)
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
