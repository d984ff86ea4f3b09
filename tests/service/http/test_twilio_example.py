"""The example of a call over Twilio Media Streams, against a server with the embedded aligner."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import pytest
import soundfile

from alignment.aligners.moonshine.aligner import MoonshineAligner
from service.settings import Settings
from tests.builders import ROOT, SPEECH, noise
from tests.service.serving import run_server

pytestmark = pytest.mark.slow

QUIET_S: Final = 120.0
"""Longest low noise after the sentence; the call ends as soon as a result has arrived."""


def load_example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("twilio_example", ROOT / "examples" / "twilio.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_result_precedes_the_end_of_the_call(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example, lines = load_example(), list[str]()
    messages = example.messages

    def talk_until_result(audio: bytes, key: str) -> Iterator[dict[str, Any]]:
        for message in messages(audio, key):
            if message["event"] != "media" or not any("utterance.result" in line for line in lines):
                yield message

    monkeypatch.setattr(example, "messages", talk_until_result)
    monkeypatch.setattr(example, "print", lines.append, raising=False)
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", dtype="float32")
    recording = tmp_path / "call.wav"
    quiet = np.tile(noise(8.0, rate_hz=rate_hz) * 1e-3, round(QUIET_S / 8))
    soundfile.write(recording, np.concatenate((samples, quiet)), rate_hz)
    with run_server(settings, MoonshineAligner(1)) as server:
        example.main(recording, f"ws://127.0.0.1:{server.port}/stream/twilio", "")
    kinds = [next((kind for kind in ("call ended", "utterance.result", "done") if kind in line), "") for line in lines]
    assert kinds[-1] == "done"
    assert kinds.index("utterance.result") < kinds.index("call ended")
    assert "paid" in lines[kinds.index("utterance.result")]
    assert kinds.count("utterance.result") == 1
