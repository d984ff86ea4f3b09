"""Recordings found in folders and by patterns."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alignment.audio import decode_audio
from service.agents.folders import RecordingFolders
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
    assert find_recordings([str(tmp_path)], errors.append) == [recording]
    assert not errors
    assert decode_audio(recording.read_bytes(), 10).duration_s > 0.5


def test_suffixes_are_lower_case() -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in SUFFIXES)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of which `closed` cannot be listed, and `names` can be listed but not entered.

    The permissions are those of another user, because the superuser may read everything.
    """
    for name in ("a.wav", "open/b.wav", "open/deep/c.wav", "closed/d.wav", "names/e.wav", "names/f.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def refuse(function: Callable[..., Any], is_refused: Callable[[str], bool]) -> Callable[..., Any]:
        def call(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            if isinstance(path, str | Path) and is_refused(str(path)):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return function(path, *arguments, **options)

        return call

    monkeypatch.setattr(os, "scandir", refuse(os.scandir, lambda path: Path(path).name == "closed"))
    monkeypatch.setattr(os, "stat", refuse(os.stat, lambda path: Path(path).parent.name == "names"))
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names", "left_out"),
    [
        ("", ["a.wav", "open/b.wav", "open/deep/c.wav"], ["closed", "names"]),
        ("**/*.wav", ["a.wav", "open/b.wav", "open/deep/c.wav"], ["closed", "names"]),
        ("*/*.wav", ["open/b.wav"], ["closed", "names"]),
        ("open/**/*.wav", ["open/b.wav", "open/deep/c.wav"], []),
        ("*.wav", ["a.wav"], []),
        ("op*/b.wav", ["open/b.wav"], []),
    ],
)
def test_unreadable_folder_is_reported_once(tree: Path, pattern: str, names: list[str], left_out: list[str]) -> None:
    errors: list[OSError] = []
    found = find_recordings([f"{tree}/{pattern}".removesuffix("/")], errors.append)
    assert [path.relative_to(tree).as_posix() for path in found] == names
    assert sorted(error.filename for error in errors) == [str(tree / each) for each in left_out]


def test_named_file_in_a_folder_that_may_not_be_entered_is_left_to_its_reader(tree: Path) -> None:
    errors: list[OSError] = []
    names = [str(tree / "names" / "e.wav"), str(tree / "a.wav")]
    assert list(map(str, find_recordings(names, errors.append))) == names
    assert not errors


def test_agents_learn_of_unreadable_folders(tree: Path) -> None:
    errors: list[OSError] = []
    listed = RecordingFolders([tree]).list_recordings(10, errors.append)
    assert [path.name for path in listed] == ["a.wav", "b.wav", "c.wav"]
    assert sorted(error.filename for error in errors) == [str(tree / "closed"), str(tree / "names")]
