"""Recordings found in folders."""

from pathlib import Path

import pytest

from alignment.audio import decode_audio
from service.sources import SUFFIXES, find_recordings
from tests.builders import encode_with_ffmpeg, noise


@pytest.mark.parametrize(
    ("suffix", "container", "codec", "rate_hz"),
    [
        (".mov", "mov", "aac", 48_000),
        (".3gp", "3gp", "aac", 48_000),
        (".m4v", "mp4", "aac", 48_000),
        (".mkv", "matroska", "libopus", 48_000),
        (".caf", "caf", "pcm_s16le", 16_000),
        (".wmv", "asf", "pcm_s16le", 44_100),
        (".ts", "mpegts", "aac", 48_000),
        (".avi", "avi", "libmp3lame", 48_000),
    ],
)
def test_folder_includes_every_container_that_is_decoded(
    tmp_path: Path, suffix: str, container: str, codec: str, rate_hz: int
) -> None:
    recording = tmp_path / f"phone{suffix.upper()}"
    recording.write_bytes(encode_with_ffmpeg(noise(3.0), container, codec, rate_hz))
    (tmp_path / "notes.txt").write_text("no recording")
    errors: list[OSError] = []
    assert (find_recordings([str(tmp_path)], errors.append), errors) == ([recording], [])
    assert decode_audio(recording.read_bytes(), 10).duration_s > 0.5


def test_suffixes_are_lower_case() -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in SUFFIXES)
