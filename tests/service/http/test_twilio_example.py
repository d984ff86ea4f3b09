"""The example of a call over Twilio Media Streams, against a server with the embedded aligner."""

import subprocess
import sys

import pytest

from alignment.aligners.moonshine.aligner import MoonshineAligner
from service.settings import Settings
from tests.builders import ROOT, SPEECH
from tests.service.serving import run_server

pytestmark = pytest.mark.slow


def test_call_made_of_a_clip_has_its_utterance(settings: Settings) -> None:
    """`test_twilio.py` shows that results arrive during a call; here they do where the machine is fast enough."""
    with run_server(settings, MoonshineAligner(1)) as server:
        address = f"ws://127.0.0.1:{server.port}/stream/twilio"
        command = [sys.executable, "examples/twilio.py", str(SPEECH / "numbers.flac"), address]
        finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    lines = finished.stdout.splitlines()
    kinds = [next((kind for kind in ("call ended", "utterance.result", "done") if kind in line), "") for line in lines]
    assert kinds[-1] == "done"
    assert "paid" in lines[kinds.index("utterance.result")]
    assert kinds.count("utterance.result") == 1
