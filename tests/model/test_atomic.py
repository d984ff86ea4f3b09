"""Files and folders written whole or not at all, and locks between processes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.atomic import atomic_file, atomic_folder, exclusive_lock


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_after_writing(path: Path) -> None:
    path.write_text("half")
    raise ZeroDivisionError


def test_folder_replaces_previous_one(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    for content in ("first", "second"):
        with atomic_folder(target) as folder:
            (folder / content).write_text(content)
            assert not (target / content).exists()
    assert names(target) == ["second"]
    assert names(target.parent) == ["target"]


def test_failure_keeps_previous_folder(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "first").touch()
    with pytest.raises(ZeroDivisionError), atomic_folder(target) as folder:
        fail_after_writing(folder / "second")
    assert names(target) == ["first"]
    assert names(tmp_path) == ["target"]


def test_failed_rename_restores_previous_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "first").touch()
    rename = Path.rename

    def fail_for_new_folder(source: Path, to: Path) -> Path:
        if to == target and not source.name.endswith("-old"):
            raise OSError("disk error")
        return rename(source, to)

    monkeypatch.setattr(Path, "rename", fail_for_new_folder)
    with pytest.raises(OSError, match="disk error"), atomic_folder(target):
        pass
    assert names(target) == ["first"]
    assert names(tmp_path) == ["target"]


def test_existing_folder_is_kept_on_request(tmp_path: Path) -> None:
    target = tmp_path / "target"
    for content in ("first", "second"):
        with atomic_folder(target, replace=False) as folder:
            (folder / content).touch()
    assert names(target) == ["first"]
    assert names(tmp_path) == ["target"]


def test_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target.npz"
    for value in (1, 2):
        with atomic_file(target) as temporary:
            np.savez(temporary, value=value)
            assert temporary.parent == target.parent
    assert np.load(target)["value"] == 2
    assert names(target.parent) == ["target.npz"]


def test_failure_keeps_previous_file(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("first")
    with pytest.raises(ZeroDivisionError), atomic_file(target) as temporary:
        fail_after_writing(temporary)
    assert target.read_text() == "first"
    assert names(tmp_path) == ["target"]


def test_lock_excludes_other_processes(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from model.atomic import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1]), lambda: SystemExit(3)): pass"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    with exclusive_lock(tmp_path / "run", RuntimeError):
        assert subprocess.run(command, check=False).returncode == 3
    assert subprocess.run(command, check=False).returncode == 0
