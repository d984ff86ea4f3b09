from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from model.bundle import Bundle
from service.app import create_app
from service.engine import EmotionEngine
from service.settings import Settings
from tests.fakes import FakeAligner
from tests.waiting import wait_until


@pytest.fixture
def aligner() -> FakeAligner:
    return FakeAligner()


@pytest.fixture
def settings(tiny_bundle: Bundle) -> Settings:
    return Settings(bundle=str(tiny_bundle.folder), max_audio_s=10, max_upload_bytes=2_000_000, deadline_s=20)


@pytest.fixture
def client(settings: Settings, aligner: FakeAligner) -> Iterator[TestClient]:
    """The application with a tiny network and a fake aligner, ready."""
    app = create_app(settings, engine=EmotionEngine(settings, aligner=aligner))
    with TestClient(app, raise_server_exceptions=False) as test_client:
        wait_until(lambda: test_client.get("/health/ready").status_code == 200)
        yield test_client
