"""docker/nginx/can-ser.conf in a real nginx, in front of the service, with a prefix and a key."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from model.bundle import Bundle
from service.setting_groups import JobSettings
from service.settings import Settings
from tests.builders import encode, noise
from tests.deploy.nginx import PREFIX, Proxy, find_nginx, run_nginx
from tests.fakes import FakeAligner
from tests.service.serving import RunningServer, read_events, run_server
from tests.waiting import wait_until

KEY = "the-key"
WAV = encode(noise(1.0))
Deployed = tuple[Proxy, RunningServer, FakeAligner]


@pytest.fixture(scope="module", params=["header", "setting"])
def deployed(
    request: pytest.FixtureRequest, tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """The service behind nginx; the prefix comes from X-Forwarded-Prefix alone, or from CAN_ROOT_PATH."""
    find_nginx()
    folder = tmp_path_factory.mktemp("nginx")
    from_header = request.param == "header"
    settings = Settings(
        bundle=str(tiny_bundle.folder),
        api_keys=(sha256(KEY.encode()).hexdigest(),),
        root_path="" if from_header else PREFIX,
        # In containers, nginx is not on the loopback interface of the service.
        forwarded_allow_ips=("127.0.0.1",) if from_header else (),
        jobs=JobSettings(folder=folder / "jobs"),
        max_upload_bytes=3_000_000,
        log_level="error",
    )
    aligner = FakeAligner()
    with run_server(settings, aligner) as server, run_nginx(folder, server.port) as proxy:
        yield proxy, server, aligner


@pytest.fixture
def client(deployed: Deployed) -> Iterator[httpx.Client]:
    """Client of nginx, with the key."""
    proxy, _, _ = deployed
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=proxy.url, verify=proxy.tls, headers=headers, timeout=30) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/", "/static/style.css", "/docs", "/docs/files/swagger-ui.css", "/openapi.json"])
def test_page_and_documentation(client: httpx.Client, path: str) -> None:
    assert client.get(path, headers={"authorization": ""}).status_code == 200
    assert client.head(path).headers["content-length"]


def test_document_names_the_prefix(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json()["servers"] == [{"url": PREFIX}]


def test_predict_needs_the_key(client: httpx.Client) -> None:
    assert client.post("/predict", files={"file": WAV}).json()["emotion"]
    refused = client.post("/predict", files={"file": WAV}, headers={"authorization": "Bearer wrong"})
    assert (refused.status_code, refused.json()["instance"]) == (401, f"{PREFIX}/predict")


def test_job_is_followed_at_its_location(client: httpx.Client) -> None:
    created = client.post("/jobs", files={"file": WAV})
    assert created.headers["location"] == f"{PREFIX}/jobs/{created.json()['id']}"
    address = httpx.URL(str(client.base_url)).join(created.headers["location"])
    wait_until(lambda: client.get(address).json()["status"] == "done")
    assert client.delete(address).status_code == 204


def test_events_arrive_before_the_end(client: httpx.Client, deployed: Deployed) -> None:
    """The aligner is blocked until the first event has passed nginx."""
    _, _, aligner = deployed
    aligner.gate.clear()
    options = {"files": {"file": WAV}, "headers": {"accept": "text/event-stream"}}
    try:
        with client.stream("POST", "/predict", **options) as response:  # type: ignore[arg-type]
            pieces = response.iter_text()
            first = next(pieces)
            assert first.startswith("event: progress")
            aligner.gate.set()
            assert read_events(first + "".join(pieces))[-1][0] == "result"
    finally:
        aligner.gate.set()


def test_upload_over_the_limit_gets_the_problem_of_the_service(client: httpx.Client, deployed: Deployed) -> None:
    """Larger than nginx's own default of 1 MB; the service refuses it, not nginx."""
    _, server, _ = deployed
    assert client.post("/predict", files={"file": encode(noise(60.0))}).status_code == 200
    data = b"x" * (server.state.settings.max_upload_bytes + 1)
    refused = client.post("/predict", files={"file": data})
    assert (refused.status_code, refused.json()["code"]) == (413, "upload-too-large")


def test_upload_is_not_collected_by_nginx(client: httpx.Client, deployed: Deployed) -> None:
    """The service refuses a body at its limit, while the client has not ended it yet."""
    _, server, _ = deployed
    before = count_too_large(server)

    def write() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        for _ in range(server.state.settings.max_upload_bytes // 100_000 + 1):
            yield b"x" * 100_000
        wait_until(lambda: count_too_large(server) == before + 1)

    kind = {"content-type": "multipart/form-data; boundary=x"}
    refused = client.post("/predict", content=write(), headers=kind)
    assert refused.json()["code"] == "upload-too-large"


def count_too_large(server: RunningServer) -> float:
    """Number of refused uploads."""
    lines = server.state.metrics.write().decode().splitlines()
    name = 'can_rejected_total{code="upload-too-large"} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def test_live_speech(deployed: Deployed) -> None:
    proxy, _, _ = deployed
    address = f"{proxy.url.replace('https', 'wss')}/stream"
    origin = Origin(f"https://127.0.0.1:{proxy.port}")
    protocols = [Subprotocol("can-ser"), Subprotocol(KEY)]
    with connect(address, ssl=proxy.tls, subprotocols=protocols, origin=origin) as session:
        session.send('{"type": "end"}')
        assert json.loads(session.recv())["type"] == "done"
    with pytest.raises(InvalidStatus), connect(address, ssl=proxy.tls):
        pass


def test_redirects(deployed: Deployed) -> None:
    proxy, _, _ = deployed
    with httpx.Client(verify=proxy.tls) as client:
        assert client.get(proxy.url).headers["location"].endswith(f"{PREFIX}/")
        plain = client.get(f"http://127.0.0.1:{proxy.plain_port}{PREFIX}/")
    assert (plain.status_code, plain.headers["location"]) == (308, f"https://127.0.0.1{PREFIX}/")


def test_metrics_are_not_public(client: httpx.Client, deployed: Deployed) -> None:
    """Prometheus reads them from the service, with a key."""
    _, server, _ = deployed
    assert client.get("/metrics").status_code == 404
    assert server.client.get("/metrics", headers=client.headers).status_code == 200


def test_missing_service_is_a_problem_document(tmp_path: Path) -> None:
    with run_nginx(tmp_path, 9) as proxy:
        response = httpx.get(f"{proxy.url}/model", verify=proxy.tls)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "not-ready"
