from pathlib import Path

import pytest

from service.agents.folders import RecordingFolders
from service.errors import RecordingPathError, SettingsError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "calls"
    (inside / "may").mkdir(parents=True)
    (inside / ".hidden").mkdir()
    for name in ("a.wav", "may/b c.FLAC", "notes.txt", ".hidden/d.wav"):
        (inside / name).touch()
    (tmp_path / "secret.wav").touch()
    (inside / "out.wav").symlink_to(tmp_path / "secret.wav")
    (inside / "in.wav").symlink_to(inside / "a.wav")
    return inside


def test_file_inside_is_found(folder: Path) -> None:
    folders = RecordingFolders([folder])
    for path in ("a.wav", str(folder / "a.wav"), "may/../a.wav", "in.wav", f"file://{folder}/a.wav"):
        assert folders.find(path) == folder.resolve() / "a.wav"
    assert folders.find(f"file://{folder}/may/b%20c.FLAC").name == "b c.FLAC"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../secret.wav", "outside of the folders"),
        ("{parent}/secret.wav", "outside of the folders"),
        ("{parent}/missing.wav", "outside of the folders"),
        ("out.wav", "outside of the folders"),
        ("/etc/passwd", "outside of the folders"),
        ("{parent}/calls-2/a.wav", "outside of the folders"),
        ("file:///etc/passwd", "outside of the folders"),
        ("~/.ssh/id_rsa", "outside of the folders"),
        ("missing.wav", "not an existing file"),
        ("may", "not an existing file"),
        ("", "not a path"),
        ("a\0.wav", "not a path"),
        (5_000 * "a", "not a path"),
        (300 * "a", "cannot be read"),
    ],
)
def test_other_path_is_refused(folder: Path, path: str, reason: str) -> None:
    with pytest.raises(RecordingPathError) as refused:
        RecordingFolders([folder]).find(path.format(parent=folder.parent))
    assert reason in str(refused.value)


def test_second_folder_is_searched_too(folder: Path) -> None:
    folders = RecordingFolders([folder / "may", folder])
    assert folders.find("a.wav").name == "a.wav"


def test_recordings_are_listed_in_order_without_hidden_ones(folder: Path) -> None:
    errors: list[OSError] = []
    listed = RecordingFolders([folder]).list_recordings(10, errors.append)
    assert [path.name for path in listed] == ["a.wav", "in.wav", "b c.FLAC"]
    assert len(RecordingFolders([folder]).list_recordings(2, errors.append)) == 2
    assert not errors


def test_default_is_the_working_directory_unless_it_is_too_much(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(folder)
    assert RecordingFolders([]).folders == (folder.resolve(),)
    monkeypatch.setenv("HOME", str(folder))
    for path in (folder, Path("/")):
        monkeypatch.chdir(path)
        with pytest.raises(SettingsError, match="--folder"):
            RecordingFolders([])
    with pytest.raises(SettingsError, match="is not an existing folder"):
        RecordingFolders([tmp_path / "missing"])
