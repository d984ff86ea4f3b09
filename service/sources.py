"""Recordings named on a command line: files, folders, patterns, and addresses of storages that fsspec knows."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from alignment.errors import optional_packages
from service.errors import ArchiveError, NoRecordingsError

OnError = Callable[[OSError], None]
_LOCAL: Final = "file://"
SUFFIXES: Final = frozenset(
    {
        *(".wav", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".au", ".wma"),
        *(".caf", ".amr", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".wmv", ".flv", ".ts"),
    }
)
"""Suffixes of recordings in a folder, one or more for every container that is decoded; a named file may have any."""


def find_recordings(names: Iterable[str], on_error: OnError) -> list[Path]:
    """Recordings in the order of the names, without duplicates; those of a folder and its subfolders sorted by name.

    Args:
        names: Files (which need not exist: reading them reports this), folders, or patterns such as "clips/**/*.wav".
        on_error: Called once with the error of each folder that cannot be read, in a folder or under a pattern.

    Raises:
        NoRecordingsError: A folder or a pattern matches no recording.
    """
    report = report_once(on_error)
    return list(dict.fromkeys(path for name in names for path in _expand(name, report)))


def _expand(name: str, on_error: OnError) -> list[Path]:
    path = Path(name)
    # The methods of Path raise where a folder above may not be entered; reading the file reports this.
    if os.path.isdir(name):  # noqa: PTH112
        walked = os.walk(path, onerror=on_error)
        inner = (Path(folder, each) for folder, _, names in walked for each in names)
        found = sorted(each for each in inner if each.suffix.lower() in SUFFIXES and is_readable_file(each, on_error))
    elif has_magic(name) and not os.path.exists(name):  # noqa: PTH110
        # Path.glob accepts no absolute pattern.
        matches = [Path(match) for match in sorted(glob(name, recursive=True))]  # noqa: PTH207
        _find_unreadable(path.parts, on_error)
        found = [match for match in matches if is_readable_file(match, on_error)]
    else:
        return [path]
    if not found:
        raise NoRecordingsError(name)
    return found


def report_once(on_error: OnError) -> OnError:
    """A function that calls `on_error` with the first error of each path."""
    reported: set[str] = set()

    def report(error: OSError) -> None:
        if error.filename not in reported:
            reported.add(error.filename)
            on_error(error)

    return report


def state_reason(error: OSError) -> str:
    """Reason of a system error, as part of a sentence: "permission denied", without its number and path."""
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]


def is_readable_file(path: Path, on_error: OnError) -> bool:
    """Whether a path is a regular file; an error is that of its folder where the folder may not be entered."""
    try:
        return S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        # A symbolic link to nothing.
        return False
    except PermissionError as exc:
        on_error(PermissionError(exc.errno, exc.strerror, str(path.parent)))
    except OSError as exc:
        on_error(exc)
    return False


def _find_unreadable(parts: Sequence[str], on_error: OnError) -> None:
    """Report folders that `glob` leaves out because they cannot be read.

    Args:
        parts: Parts of the pattern.
        on_error: Called with the error of each folder.
    """
    for at, part in enumerate(parts):
        if not has_magic(part):
            continue
        for folder in glob(str(Path(*parts[:at])), recursive=True):  # noqa: PTH207
            _list(folder, on_error, recursive=part == "**")
        if part == "**":
            break


def _list(folder: str, on_error: OnError, *, recursive: bool) -> None:
    """Report a folder that cannot be listed, and folders below it as far as `**` matches them."""
    if not os.path.isdir(folder):  # noqa: PTH112
        return
    for _, folders, _ in os.walk(folder, onerror=on_error):
        folders[:] = [each for each in folders if recursive and not each.startswith(".")]


def find_archive(sources: Sequence[str], on_error: OnError) -> list[str]:
    """Paths and addresses of recordings, without duplicates; those of a folder or storage sorted by name.

    Every name is valid Unicode: a path that is not UTF-8 becomes an address like "file:///calls/caf%E9.wav".

    Args:
        sources: As for `find_recordings`, or addresses such as "s3://calls/2026/" and "gs://calls/**/*.flac".
        on_error: See `find_recordings`.

    Raises:
        ArchiveError: A storage cannot be read, or the package for it is missing.
        NoRecordingsError: A source holds no recording.
        MissingPackageError: fsspec is not installed.
    """
    names = [
        name
        for source in sources
        for name in (_list_storage(source) if _is_address(source) else map(str, find_recordings([source], on_error)))
    ]
    return list(dict.fromkeys(map(_to_unicode, names)))


def _to_unicode(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return Path(name.removeprefix(_LOCAL)).absolute().as_uri()
    return name


def read_special(path: Path) -> bytes | Path:
    """The path of a regular file, or the bytes of a pipe, which can be read only once.

    Raises:
        OSError: It cannot be read.
    """
    return path if path.is_file() else path.read_bytes()


@contextmanager
def open_recording(name: str) -> Iterator[Path]:
    """A recording as a local file; a copy of a remote one is deleted at the end.

    Raises:
        OSError: It cannot be read.
        MissingPackageError: fsspec is not installed.
    """
    local = Path(os.fsdecode(unquote_to_bytes(name.removeprefix(_LOCAL)))) if name.startswith(_LOCAL) else Path(name)
    if not _is_address(name) or (local.is_absolute() and local.is_file()):
        yield local
        return
    with optional_packages("cluster", "fsspec"):
        import fsspec

    with tempfile.NamedTemporaryFile(prefix="can-ser-", suffix=PurePosixPath(name).suffix) as copy:
        with fsspec.open(name) as remote:
            shutil.copyfileobj(remote, copy, 2**20)
        copy.flush()
        yield Path(copy.name)


def _is_address(source: str) -> bool:
    return "://" in source


def _list_storage(source: str) -> list[str]:
    with optional_packages("cluster", "fsspec"):
        import fsspec

    try:
        storage, path = fsspec.core.url_to_fs(source)
        found = _match(storage, path)
    except (ImportError, ValueError, OSError) as exc:
        raise ArchiveError(source, str(exc) or type(exc).__name__) from exc
    if not found:
        raise NoRecordingsError(source)
    return [str(storage.unstrip_protocol(name)) for name in found]


def _match(storage: Any, path: str) -> list[str]:
    if any(mark in path for mark in "*?["):
        return sorted(name for name in storage.glob(path) if storage.isfile(name))
    if storage.isfile(path):
        return [path]
    return sorted(name for name in storage.find(path) if PurePosixPath(name).suffix.lower() in SUFFIXES)
