import asyncio
import io
import json
import logging
import re
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

KEY = "a-key-that-nobody-may-read"


def test_live_and_ready(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_the_model_says_what_it_is_and_why_this_aligner(client: TestClient) -> None:
    served = client.get("/model").json()
    assert served["name"] == "tiny"
    assert served["labels"] == ["angry", "happy", "sad", "neutral"]
    assert served["trained_on"] == "nothing: random weights"
    assert served["licence"] == "Apache-2.0"
    assert served["provider"] == "CPUExecutionProvider"
    assert served["aligner"] == {"name": "fake", "model": "none", "language": "en", "reason": "configured by a test"}
    assert served["features"]["mfcc"]["n_mfcc"] == 40


def test_before_the_models_have_answered(settings: Settings, aligner: FakeAligner) -> None:
    """Without its lifespan the application never warms up."""
    client = TestClient(create_app(settings, engine=EmotionEngine(settings, aligner=aligner)))
    assert client.get("/health/live").status_code == 200
    for response in (client.get("/health/ready"), client.post("/predict", files={"file": encode(noise(1.0))})):
        assert (response.status_code, response.json()["code"]) == (503, "not-ready")
        assert int(response.headers["retry-after"]) >= 1


async def warm_up_as_the_server_does(lifecycle: AppState) -> None:
    task = asyncio.create_task(lifecycle.warm_up())
    task.add_done_callback(lifecycle.after_warm_up)
    await asyncio.wait([task])


@pytest.mark.parametrize("error", [AlignerUnavailableError("fake", "no weights", "fetch them"), RuntimeError("odd")])
def test_a_model_that_cannot_answer_ends_the_process(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    aligner.error = error
    ended: list[int] = []
    monkeypatch.setattr("service.http.lifecycle.os.kill", lambda _pid, signal: ended.append(signal))
    lifecycle = AppState(EmotionEngine(settings, aligner=aligner), settings)
    asyncio.run(warm_up_as_the_server_does(lifecycle))
    assert len(ended) == 1
    assert lifecycle.failed
    assert not lifecycle.ready


def test_the_documentation_and_its_schema(client: TestClient) -> None:
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
    }
    responses = schema["paths"]["/predict"]["post"]["responses"]
    assert {"200", "400", "401", "408", "413", "415", "422", "429", "503", "504"} == set(responses)
    form = schema["paths"]["/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    assert set(form["properties"]) == {"file", *PREDICT_FIELDS}


def test_unknown_addresses_and_methods_are_problems_too(client: TestClient) -> None:
    for response, status in ((client.get("/nothing"), 404), (client.get("/predict"), 405)):
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == {404: "not-found", 405: "method-not-allowed"}[status]


def test_a_request_id_is_taken_or_made(client: TestClient) -> None:
    given = "6f1c2ab2-0c3e-4e3e-9a44-6d8f7d0f6c11"
    assert client.get("/model", headers={"X-Request-ID": given}).headers["x-request-id"].replace(
        "-", ""
    ) == given.replace("-", "")
    assert len(client.get("/model").headers["x-request-id"]) >= 32


def test_security_headers(client: TestClient) -> None:
    for answer in (client.get("/model"), client.get("/nothing"), client.post("/predict"), client.get("/docs")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers
    # What somebody said stays in no cache; the page's files are asked for again each time.
    assert client.post("/predict", files={"file": encode(noise(1.0))}).headers["cache-control"] == "no-store"
    assert client.get("/").headers["cache-control"] == "no-cache"


def test_the_documentation_asks_no_other_host(client: TestClient) -> None:
    page = client.get("/docs").text
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert "//" not in address
        assert client.get(f"/{address}").status_code == 200, address
    assert "default-src 'none'" in client.get("/docs").headers["content-security-policy"]
    assert client.get("/redoc").status_code == 404


def test_logs_are_json_with_the_request_id_and_without_what_was_said(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes well or wrong, at the most talkative level: neither words, nor a key, nor sound."""
    secrets = ("unspeakable", KEY, sha256(KEY.encode()).hexdigest(), "secretfile")
    talkative = settings.model_copy(update={"log_level": "debug", "api_keys": (sha256(KEY.encode()).hexdigest(),)})
    app = create_app(talkative, engine=EmotionEngine(talkative, aligner=aligner))
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
        answers = [client.post("/predict", files=files, data=each) for each in fields]
        answers += [client.post("/jobs", files=files, data=each) for each in fields[1:]]
        client.post("/predict", files=files, headers={"authorization": f"Bearer {KEY}wrong"})
        location = answers[len(fields)].headers["location"]
        wait_until(lambda: client.get(location).json()["status"] == "done")
        with client.websocket_connect("/stream", subprotocols=["can-ser", KEY]) as session:
            session.send_text("unspeakable")
            session.receive_json()
        aligner.error = AlignerFailedError("fake", "it fell over")
        answers.append(client.post("/predict", files=files, data={"transcript": "the unspeakable"}))
    assert {answer.status_code for answer in answers} == {200, 202, 400, 422, 503}
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    by_id = {line["request_id"]: line for line in lines if line["event"] == "request"}
    for answer in answers:
        line = by_id[answer.headers["x-request-id"]]
        assert (line["method"], line["status"]) == ("POST", answer.status_code)
    for secret in secrets:
        assert secret not in written.getvalue()
