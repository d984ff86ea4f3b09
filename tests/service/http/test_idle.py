"""What the service reports of an aligner whose models are unloaded."""

from fastapi.testclient import TestClient

from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import run_app


def test_unloaded_models_are_reported(settings: Settings) -> None:
    aligner = FakeAligner()
    with run_app(settings, aligner) as client:
        assert client.get("/model").json()["aligner_loaded"] is True
        assert "can_aligner_loaded 1.0" in client.get("/metrics").text
        aligner.loaded = False
        ready = client.get("/health/ready")
        assert ready.status_code == 200
        assert ready.json()["detail"].startswith("the models of fake are unloaded")
        assert client.get("/model").json()["aligner_loaded"] is False
        assert "can_aligner_loaded 0.0" in client.get("/metrics").text
        assert client.post("/predict", files={"file": encode(noise(3.0))}).status_code == 200


def test_ready_has_no_detail_without_trouble(client: TestClient) -> None:
    assert client.get("/health/ready").json() == {"status": "ready"}
