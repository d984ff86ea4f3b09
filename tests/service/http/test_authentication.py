import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
from fastapi.testclient import TestClient
from starlette.datastructures import Headers
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect
from typer.testing import CliRunner

from service.app import create_app
from service.cli.app import app as command
from service.errors import RateLimitedError, WrongKeyError
from service.http.middleware.authentication import KeyRing, RequestRate
from service.inference.engine import EmotionEngine
from service.setting_groups import LiveSettings
from service.settings import Settings, load_settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import run_app, state_of
from tests.waiting import wait_until

KEYS = ("the-first-key", "the-second-key")
WAV = encode(noise(1.0))
SITE = "https://example.org"


@pytest.fixture
def guarded(settings: Settings, aligner: FakeAligner) -> Iterator[TestClient]:
    """Client of an application with two keys, 60 requests per minute each, and one allowed origin."""
    digests = tuple(sha256(key.encode()).hexdigest() for key in KEYS)
    bounded = settings.model_copy(
        update={"api_keys": digests, "key_requests_per_minute": 60, "origins": (SITE,), "upload_idle_s": 0.3}
    )
    with run_app(bounded, aligner) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Basic {KEYS[0]}"}, 401),
        ({"authorization": f"Bearer {KEYS[0]}"}, 200),
        ({"x-api-key": KEYS[1]}, 200),
    ],
)
def test_key_is_required(guarded: TestClient, headers: dict[str, str], status: int) -> None:
    response = guarded.post("/predict", files={"file": WAV}, headers=headers)
    assert response.status_code == status
    assert status == 200 or response.json()["code"] == "wrong-key"
    assert guarded.get("/metrics", headers=headers).status_code == status


def test_health_page_and_documentation_need_no_key(guarded: TestClient) -> None:
    for path in ("/health/live", "/health/ready", "/", "/docs", "/openapi.json"):
        assert guarded.get(path).status_code == 200, path


def test_job_belongs_to_its_key(guarded: TestClient) -> None:
    own, other = ({"x-api-key": key} for key in KEYS)
    location = guarded.post("/jobs", files={"file": WAV}, headers=own).headers["location"]
    assert guarded.get(location, headers=own).status_code == 200
    assert guarded.get(location, headers=other).status_code == 404
    assert guarded.delete(location, headers=other).status_code == 404
    assert guarded.delete(location, headers=own).status_code == 204


def test_key_is_rate_limited(guarded: TestClient) -> None:
    headers = {"x-api-key": KEYS[0]}
    responses = [guarded.post("/predict", headers=headers) for _ in range(61)]
    assert [response.status_code for response in responses] == [400] * 60 + [429]
    refused = responses[-1]
    assert refused.json()["code"] == "rate-limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert guarded.post("/predict", headers={"x-api-key": KEYS[1]}).status_code == 400


def test_key_uses_a_share_of_each_limit(settings: Settings, aligner: FakeAligner) -> None:
    """With two keys and limits of two, a key has one job, one request and one live connection at a time."""
    digests = tuple(sha256(key.encode()).hexdigest() for key in KEYS)
    jobs = settings.jobs.model_copy(update={"max_waiting": 2})
    limits = {"api_keys": digests, "max_waiting": 2, "jobs": jobs, "live": LiveSettings(max_connections=2)}
    own, other = ({"x-api-key": key} for key in KEYS)
    aligner.gate.clear()
    with run_app(settings.model_copy(update=limits), aligner) as client, ThreadPoolExecutor(2) as pool:
        assert client.post("/jobs", files={"file": WAV}, headers=own).status_code == 202
        refused = client.post("/jobs", files={"file": WAV}, headers=own)
        assert (refused.status_code, refused.json()["code"]) == (503, "jobs-full")
        assert client.post("/jobs", files={"file": WAV}, headers=other).status_code == 202

        first = pool.submit(client.post, "/predict", files={"file": WAV}, headers=own)
        wait_until(lambda: state_of(client).requests.held == 1)
        assert client.post("/predict", files={"file": WAV}, headers=own).json()["code"] == "busy"
        second = pool.submit(client.post, "/predict", files={"file": WAV}, headers=other)
        wait_until(lambda: state_of(client).requests.held == 2)

        with client.websocket_connect("/stream", headers=own):
            wait_until(lambda: state_of(client).live_connections == 1)
            with client.websocket_connect("/stream", headers=own) as session:
                assert session.receive_json()["problem"]["code"] == "live-full"
            with client.websocket_connect("/stream", headers=other):
                wait_until(lambda: state_of(client).live_connections == 2)
        aligner.gate.set()
        assert [first.result().status_code, second.result().status_code] == [200, 200]


@pytest.mark.parametrize("per_minute", [1, 5, 30])
def test_rate_is_that_of_any_minute(per_minute: int) -> None:
    """So many at once; a refused request costs nothing; each place is free again 60 s later, as Retry-After states."""
    now = 1_000.0
    rate = RequestRate(per_minute, lambda: now)
    for _ in range(per_minute - 1):
        rate.count("a")
    now += 40.25
    rate.count("a")
    for _ in range(3):
        with pytest.raises(RateLimitedError) as caught:
            rate.count("a")
        assert caught.value.retry_after_s == (20 if per_minute > 1 else 60)
    rate.count("b")
    now += caught.value.retry_after_s - 1
    with pytest.raises(RateLimitedError):
        rate.count("a")
    now += 1
    for _ in range(max(1, per_minute - 1)):
        rate.count("a")
    with pytest.raises(RateLimitedError):
        rate.count("a")
    RequestRate(None).count("a")


@pytest.mark.parametrize(
    ("metrics", "without_key", "with_key"), [("key", 401, 200), ("open", 200, 200), ("off", 404, 404)]
)
def test_metrics_with_keys(
    settings: Settings, aligner: FakeAligner, metrics: str, without_key: int, with_key: int
) -> None:
    digest = sha256(KEYS[0].encode()).hexdigest()
    with run_app(settings.model_copy(update={"api_keys": (digest,), "metrics": metrics}), aligner) as client:
        key = {"authorization": f"Bearer {KEYS[0]}"}
        assert client.get("/metrics", headers=key).status_code == with_key
        assert client.get("/model").status_code == 401
        response = client.get("/metrics")
        assert response.status_code == without_key
        assert ("can_requests_total" in response.text) == (response.status_code == 200)
        assert metrics != "off" or response.json()["detail"].endswith("the operator has set CAN_METRICS=off")
        assert ("/metrics" in client.get("/openapi.json").json()["paths"]) == (metrics != "off")


def test_live_connections_need_key_and_allowed_origin(guarded: TestClient) -> None:
    key = {"x-api-key": KEYS[0]}
    for headers in ({}, {**key, "origin": "https://elsewhere.org"}):
        with pytest.raises(WebSocketDisconnect) as caught, guarded.websocket_connect("/stream", headers=headers):
            pass
        assert caught.value.code == 1008
    for headers in (key, {**key, "origin": SITE}, {**key, "origin": "http://testserver"}):
        with guarded.websocket_connect("/stream", headers=headers) as session:
            session.send_json({"type": "end"})
            assert session.receive_json()["type"] == "done"
    with guarded.websocket_connect("/stream", subprotocols=["can-ser", KEYS[1]]) as session:
        assert session.accepted_subprotocol == "can-ser"


def test_key_as_websocket_subprotocol() -> None:
    ring = KeyRing([sha256(b"abc").hexdigest()])
    assert ring.identify(Headers({"sec-websocket-protocol": "can-ser, abc"}))
    with pytest.raises(WrongKeyError):
        ring.identify(Headers({"sec-websocket-protocol": "abc"}))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("name", [b"x-api-key", b"authorization"])
def test_key_beyond_ascii_is_accepted(name: bytes, encoding: str) -> None:
    digest = sha256("schlüssel".encode()).hexdigest()
    prefix = b"Bearer " if name == b"authorization" else b""
    headers = Headers(raw=[(name, prefix + "schlüssel".encode(encoding))])
    assert KeyRing(["0" * 64, digest]).identify(headers) == digest[:16]
    with pytest.raises(WrongKeyError):
        KeyRing([digest]).identify(Headers(raw=[(name, prefix + "schlussel".encode(encoding))]))


def test_cors_only_for_allowed_origins(guarded: TestClient, client: TestClient) -> None:
    preflight = {"origin": SITE, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
    assert guarded.options("/predict", headers=preflight).headers["access-control-allow-origin"] == SITE
    other = guarded.options("/predict", headers=preflight | {"origin": "https://elsewhere.org"})
    assert "access-control-allow-origin" not in other.headers
    assert "access-control-allow-origin" not in client.get("/model", headers={"origin": SITE}).headers


def test_generated_key_is_accepted() -> None:
    variable, key = print_key()
    assert KeyRing(load_settings_from(variable).api_keys).identify(Headers({"authorization": f"Bearer {key}"}))


def test_generated_key_joins_present_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    present = [sha256(key.encode()).hexdigest() for key in KEYS]
    monkeypatch.setenv("CAN_API_KEYS", ",".join(present))
    variable, _ = print_key()
    assert variable.startswith(f"CAN_API_KEYS={','.join(present)},")


def print_key() -> tuple[str, str]:
    """The variable and the key that `can-ser key` prints."""
    lines = CliRunner().invoke(command, ["key"]).stdout.splitlines()
    [variable] = [line for line in lines if line.startswith("CAN_API_KEYS=")]
    [key] = [line.removeprefix("Authorization: Bearer ") for line in lines if line.startswith("Authorization: ")]
    return variable, key


def load_settings_from(line: str) -> Settings:
    """Settings of a line of .env."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(*line.split("=", 1))
        return load_settings()


@pytest.mark.parametrize("limit", ["upload_idle_s", "upload_s"])
def test_stalled_upload_is_refused(settings: Settings, aligner: FakeAligner, limit: str) -> None:
    """After the first half of the body nothing follows, or single bytes with pauses."""
    impatient = settings.model_copy(update={limit: 0.2})
    app = create_app(impatient, engine=EmotionEngine(impatient, aligner=aligner))
    sent: list[Message] = []
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF'
    first = True

    async def receive() -> Message:
        nonlocal first
        if not first:
            await asyncio.sleep(0.05 if limit == "upload_s" else 20)
        body, first = (head if first else b"."), False
        return {"type": "http.request", "body": body, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/predict",
            "query_string": b"",
            "http_version": "1.1",
            "headers": [(b"content-type", b"multipart/form-data; boundary=x")],
        }
        app.state.can_ser._ready = True
        async with asyncio.timeout(10):
            await app(scope, receive, send)

    asyncio.run(run())
    assert sent[0]["status"] == 408
    assert b"upload-timeout" in sent[1]["body"]
    app.state.can_ser.scheduler.close()
