import asyncio
import io
import json
import logging

import pytest
from fastapi.testclient import TestClient
from structlog.stdlib import ProcessorFormatter

from alignment.errors import AlignerUnavailableError
from service.app import create_app
from service.engine import EmotionEngine
from service.forms import PredictForm
from service.lifecycle import Lifecycle
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner


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
    assert served["aligner"] == {"name": "fake", "model": "none", "language": "en", "reason": "a test asked for it"}
    assert served["features"]["mfcc"]["n_mfcc"] == 40


def test_before_the_models_have_answered(settings: Settings, aligner: FakeAligner) -> None:
    """Without its lifespan the application never warms up."""
    client = TestClient(create_app(settings, engine=EmotionEngine(settings, aligner=aligner)))
    assert client.get("/health/live").status_code == 200
    for response in (client.get("/health/ready"), client.post("/predict", files={"file": encode(noise(1.0))})):
        assert (response.status_code, response.json()["code"]) == (503, "not-ready")
        assert int(response.headers["retry-after"]) >= 1


async def warm_up_as_the_server_does(lifecycle: Lifecycle) -> None:
    task = asyncio.create_task(lifecycle.warm_up())
    task.add_done_callback(lifecycle.after_warm_up)
    await asyncio.wait([task])


@pytest.mark.parametrize("error", [AlignerUnavailableError("fake", "no weights", "fetch them"), RuntimeError("odd")])
def test_a_model_that_cannot_answer_ends_the_process(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    aligner.error = error
    ended: list[int] = []
    monkeypatch.setattr("service.lifecycle.os.kill", lambda _pid, signal: ended.append(signal))
    lifecycle = Lifecycle(EmotionEngine(settings, aligner=aligner), settings)
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
    assert set(form["properties"]) == set(PredictForm.model_fields)


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
    assert client.get("/model").headers["x-content-type-options"] == "nosniff"


def test_logs_are_json_with_the_request_id_and_without_what_was_said(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    [handler] = [h for h in logging.getLogger().handlers if isinstance(h.formatter, ProcessorFormatter)]
    written = io.StringIO()
    monkeypatch.setattr(handler, "stream", written)
    response = client.post("/predict", files={"file": encode(noise(1.0))}, data={"transcript": "a private matter"})
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    [line] = [line for line in lines if line["event"] == "request"]
    assert line["request_id"] == response.headers["x-request-id"]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/predict", 200)
    assert "private" not in json.dumps(lines)
