"""`speakers=diarize` over HTTP; who speaks is told by a diarizer that knows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from typer.testing import CliRunner

from alignment.transcripts.speakers import Turn
from service.app import create_app
from service.cli.app import app
from service.cli.doctor import run_checks
from service.inference.engine import EmotionEngine
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner, FakeDiarizer
from tests.waiting import wait_until

TWO = (Turn(0.0, 0.1, "speaker 1"), Turn(0.1, 3.0, "speaker 2"))


@contextmanager
def serving(settings: Settings, diarizer: FakeDiarizer | None) -> Iterator[TestClient]:
    engine = EmotionEngine(settings, aligner=FakeAligner(), diarizer=diarizer)
    with TestClient(create_app(settings, engine=engine)) as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def ask(client: TestClient, sound: bytes | None = None, fields: dict[str, str] | None = None) -> Response:
    files = {"file": sound or encode(noise(3.0))}
    response: Response = client.post("/predict", files=files, data={"speakers": "diarize"} | (fields or {}))
    return response


def test_words_utterances_and_speakers_over_time(settings: Settings) -> None:
    with serving(settings, FakeDiarizer(TWO)) as client:
        answer = ask(client).json()
    said = [
        (each["speaker"], each["text"], [word["speaker"] for word in each["words"]]) for each in answer["utterances"]
    ]
    assert said == [("speaker 1", "the", ["speaker 1"]), ("speaker 2", "children", ["speaker 2"])]
    for speaker, utterance in zip(answer["speakers"], answer["utterances"], strict=True):
        [moment] = speaker["timeline"]
        assert (speaker["speaker"], speaker["emotion"]) == (utterance["speaker"], utterance["emotion"])
        assert moment.items() <= utterance.items()
    assert answer["timings_ms"]["diarize"] >= 0


def test_turns_hold_over_all_windows(tiny_bundle_settings: Settings) -> None:
    """Windows are of a minute at most; each begins with the same two words."""
    sound = np.concatenate([noise(50.0), np.zeros(16_000 * 2, np.float32), noise(50.0)])
    turns = (Turn(0.0, 10.0, "speaker 1"), Turn(40.0, 102.0, "speaker 2"))
    with serving(tiny_bundle_settings, FakeDiarizer(turns)) as client:
        answer = ask(client, encode(sound)).json()
    assert [each["speaker"] for each in answer["utterances"]] == ["speaker 1", "speaker 2"]


@pytest.fixture
def tiny_bundle_settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_audio_s": 300.0, "max_upload_bytes": 10_000_000})


def test_utterances_of_a_stream_say_whose_they_are(settings: Settings) -> None:
    with serving(settings, FakeDiarizer(TWO)) as client:
        files = {"file": encode(noise(3.0))}
        body = client.post(
            "/predict", files=files, data={"speakers": "diarize"}, headers={"Accept": "text/event-stream"}
        ).text
    events = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: ")]
    speakers = [event["speaker"] for event in map(json.loads, events) if "speaker" in event]
    assert speakers == ["speaker 1", "speaker 2"]


def test_nobody_told_apart(settings: Settings) -> None:
    with serving(settings, FakeDiarizer(())) as client:
        answer = ask(client).json()
    assert "speakers" not in answer
    assert "no speaker" in answer["warnings"][0]


def test_what_is_missing_is_a_422_that_says_how_to_get_it(settings: Settings) -> None:
    """Also in front of a stream of events, whose status is sent first."""
    with serving(settings, None) as client:
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
def test_excludes_what_says_what_is_said(settings: Settings, fields: dict[str, str]) -> None:
    with serving(settings, FakeDiarizer(TWO)) as client:
        assert ask(client, fields=fields).json()["code"] == "conflicting-fields"


def test_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without weights a file fails, and it is said why; what is no way to tell speakers apart stops the start."""
    monkeypatch.setenv("CAN_WHISPERX__DIARIZE_MODEL", "/nowhere/at/all")
    monkeypatch.setenv("CAN_ALIGNER", "pocketsphinx")
    (tmp_path / "speech.wav").write_bytes(encode(noise(1.0)))

    def run(speakers: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["predict", "--speakers", speakers, str(tmp_path / "speech.wav")])
        return done.exit_code, " ".join(done.stderr.split())

    status, told = run("diarize")
    assert status == 1
    assert "CAN_WHISPERX__DIARIZE_MODEL" in told
    status, told = run("voices")
    assert status == 2
    assert "`channels` or `diarize`" in told
    [found] = [each for each in run_checks() if each.name == "speakers"]
    assert found.state == "missing"
    assert "/nowhere/at/all" in found.detail
