"""Where an archive's recordings lie, and each of them on disk for as long as it is worked on."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from service.errors import ArchiveError, NoRecordingsError
from service.recordings import SUFFIXES, find_recordings


def find_archive(sources: list[str]) -> list[str]:
    """Paths and addresses of recordings, each once, in the order in which a listing by name gives them.

    Args:
        sources: files, folders and patterns of this machine; or of a storage that fsspec knows: "s3://calls/2026/",
            "gs://calls/**/*.flac".

    Raises:
        ArchiveError: a storage cannot be read, or the package for it is missing.
        NoRecordingsError: a source holds no recording.
    """
    found = [name for source in sources for name in (_list_storage(source) if _is_address(source) else _list(source))]
    return list(dict.fromkeys(found))


@contextmanager
def fetch(name: str) -> Iterator[Path]:
    """The recording as a file on this machine; one that was copied here goes at the end.

    Raises:
        OSError: it cannot be read.
    """
    if not _is_address(name):
        yield Path(name)
        return
    with tempfile.NamedTemporaryFile(prefix="can-ser-", suffix=PurePosixPath(name).suffix) as copy:
        with fsspec.open(name) as remote:
            shutil.copyfileobj(remote, copy, 2**20)
        copy.flush()
        yield Path(copy.name)


def _is_address(source: str) -> bool:
    return "://" in source


def _list(source: str) -> list[str]:
    return [str(path) for path in find_recordings([source])]


def _list_storage(source: str) -> list[str]:
    try:
        storage, path = fsspec.core.url_to_fs(source)
        found = _look(storage, path)
    except (ImportError, ValueError, OSError) as exc:
        raise ArchiveError(source, str(exc) or type(exc).__name__) from exc
    if not found:
        raise NoRecordingsError(source)
    return [str(storage.unstrip_protocol(name)) for name in found]


def _look(storage: Any, path: str) -> list[str]:
    if any(mark in path for mark in "*?["):
        return sorted(name for name in storage.glob(path) if storage.isfile(name))
    if storage.isfile(path):
        return [path]
    return sorted(name for name in storage.find(path) if PurePosixPath(name).suffix.lower() in SUFFIXES)
