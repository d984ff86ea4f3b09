"""Failures of the aligner itself, and of single recordings."""

import json
import os
from collections.abc import Iterator
from functools import partial

import psutil
import pytest
from fastapi.testclient import TestClient

from alignment.aligners.pocketsphinx import worker
from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from alignment.audio import AudioSource, Waveform
from alignment.errors import AlignerFailedError, CanSerError, NoSpeechError
from service.errors import DeadlineError, ReplicaLostError
from service.inference.monitored_aligner import MonitoredAligner
from service.settings import Settings
from tests.builders import encode, noise, speech
from tests.fakes import FakeAligner
from tests.service.serving import run_app
from tests.waiting import wait_until

WAVEFORM = Waveform(noise(1.0), AudioSource(1.0, 16_000, 1))
WAV = encode(noise(1.0))
SPOKEN = speech("numbers")


class BreakingAligner(FakeAligner):
    """Aligner that fails on recordings, and on silence where it is broken."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: Exception | None = None
        self.probes = 0

    def warm_up(self) -> None:
        """Raise where the aligner is broken."""
        self.probes += 1
        if self.broken:
            raise self.broken


@pytest.fixture
def breaking() -> BreakingAligner:
    return BreakingAligner()


@pytest.fixture
def monitored(breaking: BreakingAligner) -> Iterator[MonitoredAligner]:
    aligner = MonitoredAligner(breaking, probe_every_s=0.01)
    yield aligner
    aligner.close()


def fail(aligner: MonitoredAligner, times: int) -> None:
    for _ in range(times):
        with pytest.raises((CanSerError, OSError, RuntimeError)):
            aligner.recognise(WAVEFORM)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AlignerFailedError("fake", "its worker process died"), "its worker process died"),
        (OSError("no weights"), "no weights"),
        (RuntimeError("CUDA out of memory"), "CUDA out of memory"),
        # Of the replicas of a cluster.
        (ReplicaLostError("Aligner", 5), str(ReplicaLostError("Aligner", 5))),
        (DeadlineError(1.0, 0.0), str(DeadlineError(1.0, 0.0))),
    ],
)
def test_broken_aligner_is_found_and_recovers_without_a_request(
    breaking: BreakingAligner, monitored: MonitoredAligner, error: Exception, reason: str
) -> None:
    breaking.error = breaking.broken = error
    fail(monitored, 2)
    assert not breaking.probes
    fail(monitored, 1)
    wait_until(lambda: monitored.trouble == reason)
    wait_until(lambda: breaking.probes > 2)
    breaking.broken = None
    wait_until(lambda: not monitored.trouble)


def test_recording_that_fails_again_and_again_breaks_nothing(
    breaking: BreakingAligner, monitored: MonitoredAligner
) -> None:
    breaking.error = AlignerFailedError("fake", "it fell over")
    fail(monitored, 20)
    wait_until(lambda: breaking.probes > 0)
    assert not monitored.trouble


def test_success_between_failures_counts(breaking: BreakingAligner, monitored: MonitoredAligner) -> None:
    for _ in range(3):
        breaking.error = AlignerFailedError("fake", "it fell over")
        fail(monitored, 2)
        breaking.error = None
        monitored.align(WAVEFORM, "the children")
    breaking.error = NoSpeechError(1.0)
    for _ in range(5):
        with pytest.raises(NoSpeechError):
            monitored.recognise(WAVEFORM)
    assert not breaking.probes


def test_success_clears_the_trouble_at_once(breaking: BreakingAligner) -> None:
    monitored = MonitoredAligner(breaking, probe_every_s=1_000)
    breaking.error = breaking.broken = AlignerFailedError("fake", "it fell over")
    fail(monitored, 3)
    wait_until(lambda: bool(monitored.trouble))
    breaking.error = None
    monitored.recognise(WAVEFORM)
    assert not monitored.trouble
    planned = monitored._probe
    assert planned is not None
    monitored.close()
    planned.join(20)
    assert not planned.is_alive()


def test_broken_aligner_makes_the_service_not_ready(
    settings: Settings, breaking: BreakingAligner, capsys: pytest.CaptureFixture[str]
) -> None:
    with run_app(settings, breaking) as client:
        breaking.error = breaking.broken = AlignerFailedError("fake", "it fell over")
        for _ in range(3):
            assert client.post("/predict", files={"file": WAV}).json()["code"] == "aligner-failed"
        wait_until(lambda: client.get("/health/ready").status_code == 503)
        detail = client.get("/health/ready").json()["detail"]
        assert "the aligner fake cannot run: it fell over" in detail
        assert client.get("/health/live").status_code == 200
        words = {"words": '[{"word": "the", "start": 0.1, "end": 0.3}]'}
        assert client.post("/predict", files={"file": WAV}, data=words).status_code == 200
        breaking.error = None
        assert client.post("/predict", files={"file": WAV}).status_code == 200
        assert client.get("/health/ready").json() == {"status": "ready"}
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "cannot run" in line]
    assert (line["level"], line["detail"]) == ("error", "it fell over")


def test_processes_that_cannot_start_make_the_service_not_ready(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real processes, killed after the start of the service; further ones die at once, then start again."""
    aligner = PocketSphinxAligner(1)
    others = {process.pid for process in psutil.Process().children()}
    with run_app(settings.model_copy(update={"deadline_s": 120.0}), aligner) as client:
        pool = aligner._processes._pool
        monkeypatch.setattr(pool, "_initialise", partial(os._exit, 1))
        for process in psutil.Process().children():
            if process.pid not in others:
                process.kill()
        transcript = {"transcript": "the children"}
        for _ in range(3):
            assert_failed(client, transcript)
        wait_until(lambda: client.get("/health/ready").status_code == 503)
        assert "worker process died" in client.get("/health/ready").json()["detail"]
        monkeypatch.setattr(pool, "_initialise", worker.start_worker)
        assert client.post("/predict", files={"file": SPOKEN}, data=transcript).status_code == 200
        assert client.get("/health/ready").status_code == 200


def assert_failed(client: TestClient, fields: dict[str, str]) -> None:
    response = client.post("/predict", files={"file": SPOKEN}, data=fields)
    assert (response.status_code, response.json()["code"]) == (503, "aligner-failed")
