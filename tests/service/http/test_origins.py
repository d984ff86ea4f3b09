"""Requests of programs, of the own page, and of pages of other sites."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from model.bundle import Bundle
from service.app import create_app
from service.inference.engine import EmotionEngine
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import RunningServer, run_app, run_server
from tests.waiting import wait_until

WAV = encode(noise(1.0))
SITE = "https://example.org"


@pytest.fixture(scope="module")
def server(tiny_bundle: Bundle) -> Iterator[RunningServer]:
    """A server on the loopback interface, without keys, with one allowed origin."""
    settings = Settings(bundle=str(tiny_bundle.folder), origins=(SITE,), log_level="error")
    with run_server(settings, FakeAligner()) as running:
        yield running


@pytest.mark.parametrize("path", ["/predict", "/jobs"])
@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ({}, True),
        ({"origin": "http://192.168.1.5"}, True),
        ({"origin": "http://192.168.1.5", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "https://public.example", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, False),
        ({"origin": "https://192.168.1.5.evil.example", "sec-fetch-site": "same-site"}, False),
        ({"origin": "http://192.168.1.5:8080"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://["}, False),
    ],
)
def test_origin_of_uploads(client: TestClient, path: str, headers: dict[str, str], accepted: bool) -> None:
    """A proxy may change the host name; the browser still states that the page is of the same origin."""
    response = client.post(path, files={"file": WAV}, headers={"host": "192.168.1.5"} | headers)
    if accepted:
        assert response.status_code in {200, 202}
    else:
        assert (response.status_code, response.json()["code"]) == (403, "foreign-page")


def test_other_pages_cannot_delete_and_may_read_what_cors_allows(client: TestClient) -> None:
    location = client.post("/jobs", files={"file": WAV}).headers["location"]
    foreign = {"origin": "https://evil.example"}
    assert client.delete(location, headers=foreign).status_code == 403
    response = client.get(location, headers=foreign)
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers
    assert client.delete(location).status_code == 204


def test_listed_origin_may_send(settings: Settings, aligner: FakeAligner) -> None:
    with run_app(settings.model_copy(update={"origins": (SITE,)}), aligner) as client:
        response = client.post("/predict", files={"file": WAV}, headers={"origin": SITE})
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == SITE
        other = client.post("/predict", files={"file": WAV}, headers={"origin": "https://evil.example"})
        assert other.status_code == 403


def test_live_connection_of_another_page_is_refused(client: TestClient) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as caught,
        client.websocket_connect("/stream", headers={"origin": "https://evil.example"}),
    ):
        pass
    assert caught.value.code == 1008


@pytest.mark.parametrize(
    ("host", "accepted"),
    [
        ("127.0.0.1", True),
        ("localhost:8000", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("app.localhost", True),
        ("[::1]:8000", True),
        ("192.168.1.5", True),
        ("example.org", True),
        ("evil.example", False),
        ("evil.internal", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:8000", False),
        ("[", False),
    ],
)
def test_host_name_on_loopback(server: RunningServer, host: str, accepted: bool) -> None:
    """A name that resolves to this machine makes a foreign page one of the same origin."""
    headers = {"host": host}
    read = server.client.get("/model", headers=headers)
    sent = server.client.post("/predict", files={"file": WAV}, headers=headers | {"origin": f"http://{host}"})
    assert [read.status_code, sent.status_code] == ([200, 200] if accepted else [403, 403])
    assert server.client.get("/health/live", headers=headers).status_code == 200


@contextmanager
def run_container(settings: Settings, aligner: FakeAligner) -> Iterator[TestClient]:
    """Application whose requests arrive at the address of a container, as with a port that compose publishes."""
    app = create_app(settings, engine=EmotionEngine(settings, aligner=aligner))

    async def arrive(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope["server"] = ("172.18.0.2", 8000)
        await app(scope, receive, send)

    with TestClient(arrive, base_url="http://127.0.0.1:8000") as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200)
        yield client


@pytest.mark.parametrize(
    ("host", "reads", "page_sends"),
    [
        ("127.0.0.1:8000", True, True),
        ("localhost:8000", True, True),
        ("[::1]:8000", True, True),
        ("192.168.1.5:8000", True, True),
        (socket.gethostname().lower(), True, True),
        ("listed.example", True, True),
        ("a.below.example", True, True),
        ("example.org", True, True),
        # Private names, such as those of containers: programs only.
        ("api:8000", True, False),
        ("evil:8000", True, False),
        ("can-ser.internal:8000", True, False),
        ("host.docker.internal:8000", True, False),
        ("can-ser.default.svc.cluster.local", True, False),
        ("speech-box.local.", True, False),
        ("speech-box.home.arpa", True, False),
        ("can-ser.localhost", True, True),
        ("internal.evil.example", False, False),
        ("evilinternal.example", False, False),
        ("home-arpa.example", False, False),
        ("arpa.evil.arpa", False, False),
        ("evil.example:8000", False, False),
        ("below.example", False, False),
        ("evil.listed.example", False, False),
        ("api.evil.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("[", False, False),
    ],
)
def test_host_name_in_a_container(
    settings: Settings, aligner: FakeAligner, host: str, reads: bool, page_sends: bool
) -> None:
    """A page whose name resolves to the loopback interface reaches the published port of a container."""
    listed = {"origins": (SITE,), "allowed_hosts": ("listed.example", "*.below.example")}
    with run_container(settings.model_copy(update=listed), aligner) as client:
        headers = {"host": host}
        assert client.get("/model", headers=headers).status_code == (200 if reads else 403)
        sent = client.post("/predict", files={"file": WAV}, headers=headers | {"origin": f"http://{host}"})
        assert sent.status_code == (200 if page_sends else 403)
        if reads and not page_sends:
            assert "CAN_ALLOWED_HOSTS" in sent.json()["detail"]
        for path in ("/health/ready", "/metrics"):
            assert client.get(path, headers=headers).status_code == 200


def test_refusal_names_the_setting(settings: Settings, aligner: FakeAligner) -> None:
    with run_container(settings, aligner) as client:
        detail = client.get("/model", headers={"host": "evil.example"}).json()["detail"]
    assert detail == (
        "a page at the host name 'evil.example' may not send requests; the operator must list the name in "
        "CAN_ALLOWED_HOSTS to allow it"
    )


def test_every_name_may_be_allowed(settings: Settings, aligner: FakeAligner) -> None:
    with run_container(settings.model_copy(update={"allowed_hosts": ("*",)}), aligner) as client:
        assert client.get("/model", headers={"host": "evil.example"}).status_code == 200


def test_live_connection_at_a_foreign_name_is_refused(settings: Settings, aligner: FakeAligner) -> None:
    headers = {"host": "evil:8000", "origin": "http://evil:8000"}
    with (
        run_container(settings, aligner) as client,
        pytest.raises(WebSocketDisconnect) as caught,
        client.websocket_connect("/stream", headers=headers),
    ):
        pass
    assert caught.value.code == 1008


def test_host_name_is_free_where_keys_are_required(settings: Settings, aligner: FakeAligner) -> None:
    with run_server(settings.model_copy(update={"api_keys": ("0" * 64,)}), aligner) as server:
        assert httpx.get(f"{server.url}/model", headers={"host": "can.example.org"}).status_code == 401


def test_request_without_host_is_accepted(server: RunningServer) -> None:
    assert server.exchange(b"GET /model HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
