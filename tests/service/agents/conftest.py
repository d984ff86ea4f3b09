"""Folder of recordings."""

from pathlib import Path

import pytest

from tests.builders import encode, noise


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "recordings"
    inside.mkdir()
    (inside / "a.wav").write_bytes(encode(noise(2.0)))
    (inside / "text.wav").write_text("no sound")
    return inside
