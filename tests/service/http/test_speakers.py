"""`speakers=diarize` over HTTP, with a fake diarizer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from alignment.transcripts.speakers import Turn
from service.cli.app import app
from service.cli.doctor import run_checks
from service.settings import Settings, load_settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner, FakeDiarizer
from tests.service.serving import read_events, run_app

TWO = (Turn(0.0, 0.1, "speaker 1"), Turn(0.1, 3.0, "speaker 2"))


@contextmanager
def run_with(settings: Settings, diarizer: FakeDiarizer | None) -> Iterator[TestClient]:
    with run_app(settings, FakeAligner(), diarizer=diarizer) as client:
        yield client


def predict(client: TestClient, data: bytes | None = None, fields: dict[str, str] | None = None) -> Any:
    files = {"file": data or encode(noise(3.0))}
    return client.post("/predict", files=files, data={"speakers": "diarize"} | (fields or {}))


def test_words_utterances_and_speakers_over_time(settings: Settings) -> None:
    with run_with(settings, FakeDiarizer(TWO)) as client:
        result = predict(client).json()
    spoken = [
        (each["speaker"], each["text"], [word["speaker"] for word in each["words"]]) for each in result["utterances"]
    ]
    assert spoken == [("speaker 1", "the", ["speaker 1"]), ("speaker 2", "children", ["speaker 2"])]
    for speaker, utterance in zip(result["speakers"], result["utterances"], strict=True):
        [moment] = speaker["timeline"]
        assert (speaker["speaker"], speaker["emotion"]) == (utterance["speaker"], utterance["emotion"])
        assert moment.items() <= utterance.items()
        assert speaker["confidence"] == pytest.approx(utterance["confidence"])
        assert speaker["uncertain"] == utterance["uncertain"]
    assert result["timings_ms"]["diarize"] > 0


def test_turns_apply_to_all_windows(settings: Settings) -> None:
    """Windows last at most a minute; each begins with the same two words."""
    samples = np.concatenate([noise(50.0), np.zeros(16_000 * 2, np.float32), noise(50.0)])
    turns = (Turn(0.0, 10.0, "speaker 1"), Turn(40.0, 102.0, "speaker 2"))
    bounded = settings.model_copy(update={"max_audio_s": 300.0, "max_upload_bytes": 10_000_000})
    with run_with(bounded, FakeDiarizer(turns)) as client:
        result = predict(client, encode(samples)).json()
    assert [each["speaker"] for each in result["utterances"]] == ["speaker 1", "speaker 2"]


def test_events_of_utterances_have_speakers(settings: Settings) -> None:
    with run_with(settings, FakeDiarizer(TWO)) as client:
        files = {"file": encode(noise(3.0))}
        body = client.post(
            "/predict", files=files, data={"speakers": "diarize"}, headers={"Accept": "text/event-stream"}
        ).text
    speakers = [payload["speaker"] for name, payload in read_events(body) if name == "utterance"]
    assert speakers == ["speaker 1", "speaker 2"]


def test_no_speakers_found(settings: Settings) -> None:
    with run_with(settings, FakeDiarizer(())) as client:
        result = predict(client).json()
    assert "speakers" not in result
    [warning] = result["warnings"]
    assert "no speaker" in warning


def test_unavailable_diarization_is_422(settings: Settings) -> None:
    """Also for event streams, since the status is sent before the first event."""
    with run_with(settings, None) as client:
        for headers in ({}, {"Accept": "text/event-stream"}):
            response = client.post(
                "/predict", files={"file": encode(noise(3.0))}, data={"speakers": "diarize"}, headers=headers
            )
            problem = response.json()
            assert (response.status_code, problem["code"]) == (422, "diarization-unavailable")
            assert "can-ser fetch --diarize" in problem["detail"]
            assert "https://hf.co/pyannote" in problem["detail"]
        assert client.post("/predict", files={"file": encode(noise(3.0))}).status_code == 200


@pytest.mark.parametrize("fields", [{"transcript": "one two"}, {"segments": '[{"start": 0, "end": 1}]'}])
def test_diarization_excludes_transcript_and_segments(settings: Settings, fields: dict[str, str]) -> None:
    with run_with(settings, FakeDiarizer(TWO)) as client:
        assert predict(client, fields=fields).json()["code"] == "conflicting-fields"


def test_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without weights the recording fails with a reason; an unknown mode is a usage error."""
    monkeypatch.setenv("CAN_WHISPERX__DIARIZE_MODEL", "/missing/folder")
    monkeypatch.setenv("CAN_ALIGNER", "moonshine")
    (tmp_path / "speech.wav").write_bytes(encode(noise(1.0)))

    def run(speakers: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["predict", "--speakers", speakers, str(tmp_path / "speech.wav")])
        return result.exit_code, " ".join(result.stderr.split())

    status, errors = run("diarize")
    assert status == 1
    assert "CAN_WHISPERX__DIARIZE_MODEL" in errors
    status, errors = run("voices")
    assert status == 2
    assert "`channels` or `diarize`" in errors
    [check] = [each for each in run_checks(load_settings()) if each.name == "speakers"]
    assert check.state == "missing"
    assert "/missing/folder" in check.detail
