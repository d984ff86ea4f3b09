from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from model.bundle import Bundle
from service.setting_groups import JobSettings
from service.settings import Settings
from tests.fakes import FakeAligner
from tests.service.serving import run_app


@pytest.fixture
def aligner() -> FakeAligner:
    return FakeAligner()


@pytest.fixture
def settings(tiny_bundle: Bundle, tmp_path: Path) -> Settings:
    jobs = JobSettings(folder=tmp_path / "jobs", max_waiting=3, max_audio_s=200)
    return Settings(
        bundle=str(tiny_bundle.folder), max_audio_s=10, max_upload_bytes=2_000_000, deadline_s=20, jobs=jobs
    )


@pytest.fixture
def client(settings: Settings, aligner: FakeAligner) -> Iterator[TestClient]:
    """Client of an application with a tiny network and a fake aligner."""
    with run_app(settings, aligner, raise_server_exceptions=False) as test_client:
        yield test_client
