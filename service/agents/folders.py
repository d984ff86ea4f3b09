"""Recordings that an agent may name: files inside of chosen folders.

An agent acts on texts that others wrote, so that it must not choose freely which files of a user are read.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from service.errors import RecordingPathError, SettingsError
from service.sources import SUFFIXES, OnError, is_readable_file, report_once

_MAX_LENGTH: Final = 4_096


class RecordingFolders:
    """Folders whose files may be read, with their subfolders; symbolic links that lead out of them are refused."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Use these folders, or the working directory where there are none.

        Raises:
            SettingsError: A folder does not exist, or the working directory is a home folder or the root.
        """
        self.folders = tuple(_resolve(folder) for folder in folders) or (_working_directory(),)

    def find(self, path: str) -> Path:
        """The file of a path: absolute, relative to one of the folders, or an address `file://`.

        Raises:
            RecordingPathError: It is outside of the folders, does not exist, or is not a file.
        """
        if not path.strip() or len(path) > _MAX_LENGTH or "\0" in path:
            raise RecordingPathError(path, "is not a path", "name a recording, as list_recordings returns it")
        try:
            return self._find(path, Path(_read_path(path)).expanduser())
        except (OSError, RuntimeError) as exc:
            reason = getattr(exc, "strerror", None) or str(exc)
            raise RecordingPathError(path, f"cannot be read ({reason})", "check the path and its permissions") from exc

    def _find(self, name: str, path: Path) -> Path:
        # Where the path is absolute, joining gives the path itself. Nothing about files outside is revealed.
        inside = [each for each in ((folder / path).resolve() for folder in self.folders) if self._contains(each)]
        if not inside:
            names = ", ".join(map(str, self.folders))
            way_out = f"move it into one of them, or add its folder with `can-ser mcp --folder`: {names}"
            raise RecordingPathError(name, "is outside of the folders that may be read", way_out)
        files = [each for each in inside if each.is_file()]
        if not files:
            way_out = "call list_recordings for the recordings that there are"
            raise RecordingPathError(name, "is not an existing file", way_out)
        return files[0]

    def _contains(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self.folders)

    def list_recordings(self, limit: int, on_error: OnError) -> list[Path]:
        """The first recordings of the folders, folder by folder in the order of their names.

        Args:
            limit: Maximum number.
            on_error: Called once with the error of each folder that cannot be read.
        """
        return list(islice(self._walk(report_once(on_error)), limit))

    def _walk(self, on_error: OnError) -> Iterator[Path]:
        for folder in self.folders:
            for parent, folders, names in os.walk(folder, onerror=on_error):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                paths = (Path(parent, name) for name in sorted(names) if Path(name).suffix.lower() in SUFFIXES)
                yield from (each for each in paths if self._is_readable(each, on_error))

    def _is_readable(self, path: Path, on_error: OnError) -> bool:
        return is_readable_file(path, on_error) and self._contains(path.resolve())


def _read_path(path: str) -> str:
    return unquote(urlsplit(path).path) if path.startswith("file://") else path


def _resolve(folder: Path) -> Path:
    resolved = folder.expanduser().resolve()
    if not resolved.is_dir():
        raise SettingsError(f"--folder {folder} is not an existing folder; name a folder with recordings")
    return resolved


def _working_directory() -> Path:
    folder = Path.cwd().resolve()
    if folder == Path(folder.anchor) or folder == Path.home().resolve():
        raise SettingsError(
            f"the working directory is {folder}, whose files should not all be open to an agent; name the folders with "
            "recordings: can-ser mcp --folder ~/recordings"
        )
    return folder
