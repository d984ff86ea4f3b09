"""The example of a call over Twilio Media Streams, against a server with the embedded aligner."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from alignment.aligners.moonshine.aligner import MoonshineAligner
from service.settings import Settings
from tests.builders import ROOT, SPEECH, noise
from tests.service.serving import run_server

pytestmark = pytest.mark.slow


def test_result_precedes_the_end_of_the_call(settings: Settings, tmp_path: Path) -> None:
    """Eight seconds of low noise after the sentence, so that its result arrives while the call is in progress."""
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", dtype="float32")
    recording = tmp_path / "call.wav"
    soundfile.write(recording, np.concatenate((samples, noise(8.0, rate_hz=rate_hz) * 1e-3)), rate_hz)
    with run_server(settings, MoonshineAligner(1)) as server:
        address = f"ws://127.0.0.1:{server.port}/stream/twilio"
        command = [sys.executable, "examples/twilio.py", str(recording), address]
        finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    lines = finished.stdout.splitlines()
    kinds = [next((kind for kind in ("call ended", "utterance.result", "done") if kind in line), "") for line in lines]
    assert kinds[-1] == "done"
    assert kinds.index("utterance.result") < kinds.index("call ended")
    assert "paid" in lines[kinds.index("utterance.result")]
    assert kinds.count("utterance.result") == 1
