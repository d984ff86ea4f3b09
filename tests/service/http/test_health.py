import asyncio
import io
import json
import logging
import re
import signal
from hashlib import sha256

import pytest
from fastapi.testclient import TestClient
from structlog.stdlib import ProcessorFormatter

from alignment.errors import AlignerFailedError, AlignerUnavailableError
from service.app import create_app
from service.http.forms import PREDICT_FIELDS
from service.http.lifecycle import AppState
from service.inference.engine import EmotionEngine
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.waiting import wait_until

KEY = "a-secret-key"


def test_live_and_ready(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_model_and_aligner_are_described(client: TestClient) -> None:
    model = client.get("/model").json()
    assert model["name"] == "tiny"
    assert model["labels"] == ["angry", "happy", "sad", "neutral"]
    assert model["trained_on"] == "nothing: random weights"
    assert model["licence"] == "Apache-2.0"
    assert model["provider"] == "CPUExecutionProvider"
    assert model["aligner"] == {"name": "fake", "model": "none", "language": "en", "reason": "configured by a test"}
    assert model["features"]["mfcc"]["n_mfcc"] == 40


def test_requests_before_warm_up_are_refused(settings: Settings, aligner: FakeAligner) -> None:
    """Without its lifespan the application does not warm up."""
    client = TestClient(create_app(settings, engine=EmotionEngine(settings, aligner=aligner)))
    assert client.get("/health/live").status_code == 200
    for response in (client.get("/health/ready"), client.post("/predict", files={"file": encode(noise(1.0))})):
        assert (response.status_code, response.json()["code"]) == (503, "not-ready")
        assert int(response.headers["retry-after"]) >= 1


async def warm_up(state: AppState) -> None:
    task = asyncio.create_task(state.warm_up())
    task.add_done_callback(state.after_warm_up)
    await asyncio.wait([task])


@pytest.mark.parametrize("error", [AlignerUnavailableError("fake", "no weights", "fetch them"), RuntimeError("odd")])
def test_failed_warm_up_ends_the_process(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    aligner.error = error
    signals: list[int] = []
    monkeypatch.setattr("service.http.lifecycle.os.kill", lambda _pid, number: signals.append(number))
    state = AppState(EmotionEngine(settings, aligner=aligner), settings)
    asyncio.run(warm_up(state))
    assert signals == [signal.SIGTERM]
    assert state.failed
    assert not state.ready


def test_documentation_and_schema(client: TestClient) -> None:
    assert client.get("/docs").status_code == 200
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/predict",
        "/jobs",
        "/jobs/{job_id}",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/model",
        "/export",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
        "/v1/models",
        "/v1/models/{name}",
    }
    responses = schema["paths"]["/predict"]["post"]["responses"]
    assert {"200", "400", "401", "403", "408", "413", "415", "422", "429", "503", "504"} == set(responses)
    form = schema["paths"]["/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    assert set(form["properties"]) == {"file", *PREDICT_FIELDS, "format", "subtitle_emotions"}


def test_unknown_paths_and_methods_are_problems(client: TestClient) -> None:
    for response, status in ((client.get("/missing"), 404), (client.get("/predict"), 405)):
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == {404: "not-found", 405: "method-not-allowed"}[status]


def test_request_id_is_accepted_or_created(client: TestClient) -> None:
    given = "6f1c2ab2-0c3e-4e3e-9a44-6d8f7d0f6c11"
    assert client.get("/model", headers={"X-Request-ID": given}).headers["x-request-id"].replace(
        "-", ""
    ) == given.replace("-", "")
    assert len(client.get("/model").headers["x-request-id"]) >= 32


def test_security_headers(client: TestClient) -> None:
    for response in (client.get("/model"), client.get("/missing"), client.post("/predict"), client.get("/docs")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert "access-control-allow-origin" not in response.headers
    # Results must not be cached; the files of the page are revalidated.
    assert client.post("/predict", files={"file": encode(noise(1.0))}).headers["cache-control"] == "no-store"
    assert client.get("/").headers["cache-control"] == "no-cache"


def test_documentation_loads_no_other_host(client: TestClient) -> None:
    addresses = re.findall(r'(?:src|href)="([^"]+)"', client.get("/docs").text)
    assert len(addresses) > 1
    for address in addresses:
        assert "//" not in address
        assert client.get(f"/{address}").status_code == 200, address
    assert "default-src 'none'" in client.get("/docs").headers["content-security-policy"]
    assert client.get("/redoc").status_code == 404


def test_logs_have_request_ids_and_no_content(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the most verbose level the logs of results and errors hold no words, no keys and no file names."""
    secrets = ("unspeakable", KEY, sha256(KEY.encode()).hexdigest(), "secretfile")
    verbose = settings.model_copy(update={"log_level": "debug", "api_keys": (sha256(KEY.encode()).hexdigest(),)})
    app = create_app(verbose, engine=EmotionEngine(verbose, aligner=aligner))
    [handler] = [h for h in logging.getLogger().handlers if isinstance(h.formatter, ProcessorFormatter)]
    written = io.StringIO()
    monkeypatch.setattr(handler, "stream", written)
    files = {"file": ("secretfile.wav", encode(noise(1.0)))}
    fields: list[dict[str, str]] = [
        {"transcript": "an unspeakable matter"},
        {"words": '[{"word": "unspeakable", "start": 0.1, "end": 0.3}]'},
        {"words": '[{"word": "unspeakable", "start": 9, "end": 8}]'},
        {"words": '["unspeakable"'},
        {"aligner": "unspeakable"},
        {"language": "unspeakable" * 20},
        {"explain": "unspeakable"},
    ]
    with TestClient(app, raise_server_exceptions=False, headers={"authorization": f"Bearer {KEY}"}) as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200)
        responses = [client.post("/predict", files=files, data=each) for each in fields]
        responses += [client.post("/jobs", files=files, data=each) for each in fields[1:]]
        wrong = client.post("/predict", files=files, headers={"authorization": f"Bearer {KEY}wrong"})
        assert wrong.status_code == 401
        location = responses[len(fields)].headers["location"]
        wait_until(lambda: client.get(location).json()["status"] == "done")
        with client.websocket_connect("/stream", subprotocols=["can-ser", KEY]) as session:
            session.send_text("unspeakable")
            assert session.receive_json()["type"] == "error"
        aligner.error = AlignerFailedError("fake", "it fell over")
        responses.append(client.post("/predict", files=files, data={"transcript": "the unspeakable"}))
    assert {response.status_code for response in responses} == {200, 202, 400, 422, 503}
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    by_id = {line["request_id"]: line for line in lines if line["event"] == "request"}
    for response in responses:
        line = by_id[response.headers["x-request-id"]]
        assert (line["method"], line["status"]) == ("POST", response.status_code)
    for secret in secrets:
        assert secret not in written.getvalue()
