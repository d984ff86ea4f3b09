"""Exit status of `can-ser serve` that cannot start."""

import os
import socket
import subprocess
import sys

import pytest

from model.bundle import Bundle

pytestmark = pytest.mark.slow


def test_port_in_use_has_the_documented_status(tiny_bundle: Bundle) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAN_")}
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = str(occupied.getsockname()[1])
        options = ("--port", port, "--bundle", str(tiny_bundle.folder), "--aligner", "pocketsphinx")
        done = subprocess.run(
            [sys.executable, "-m", "service", *options], env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2, done.stderr
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr
