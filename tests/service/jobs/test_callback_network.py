"""Addresses to which callbacks are sent: allowed hosts, resolved names, certificates."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.jobs import callback_post
from service.settings import Settings
from tests.fakes import FakeAligner
from tests.service.jobs.callback_jobs import DATA, submit, wait_for, with_jobs
from tests.service.jobs.receiver import allow, run_receiver
from tests.service.serving import run_app


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
