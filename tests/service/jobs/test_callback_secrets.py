"""Settings and secrets of callbacks, and the receiver of the documents."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from standardwebhooks import Webhook

from service.errors import SettingsError
from service.jobs.callbacks import make_secret
from service.settings import Settings, load_settings
from tests.builders import ROOT
from tests.fakes import FakeAligner
from tests.service.jobs.callback_jobs import allowing, submit, wait_for, with_jobs
from tests.service.jobs.receiver import SECRET, allow, run_receiver
from tests.service.serving import run_app


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!!", "whsec_é", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
)
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
    wrong_hosts = ("https://hooks.example.org/path", "app:65536", "app:0", "app:", "[app]", "*.[::1]", "ftp://app", "é")
    wrong = [*(("HOSTS", value) for value in wrong_hosts), ("NETWORKS", "10.0.0.1/8"), ("NETWORKS", "*")]
    for name, value in wrong:
        monkeypatch.setenv(f"CAN_JOBS__CALLBACK_{name}", value)
        with pytest.raises(SettingsError, match=f"CAN_JOBS__CALLBACK_{name}") as refused:
            load_settings()
        assert "\n" not in str(refused.value)
        monkeypatch.delenv(f"CAN_JOBS__CALLBACK_{name}")
