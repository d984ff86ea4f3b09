"""Files and folders that are written whole or not at all, and locks between processes."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_folder(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary folder that is renamed to `path` on success and removed on failure.

    Args:
        path: Final folder; an existing one stays in place until the block ends.
        replace: Whether an existing folder is replaced; otherwise it is kept and the new one is discarded.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        _move_folder(temporary, path, replace=replace)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move_folder(source: Path, target: Path, *, replace: bool) -> None:
    previous = source.with_name(f"{source.name}-old")
    if replace and target.is_dir():
        target.rename(previous)
    try:
        source.rename(target)
    except OSError:
        if previous.is_dir():
            previous.rename(target)
        if replace or not target.is_dir():
            raise
    shutil.rmtree(previous, ignore_errors=True)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; the block must create the file.

    On success the file is flushed to disk and renamed to `path`, replacing any existing file; on failure it is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def exclusive_lock(path: Path, error: Callable[[], Exception]) -> Iterator[None]:
    """Lock a file or folder between processes until the block or the process ends; needs the package filelock.

    Args:
        path: File or folder; the lock is the file `.NAME.lock` in its parent folder.
        error: Creates the exception that is raised if another process holds the lock.
    """
    from filelock import FileLock, Timeout

    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout as exc:
        raise error() from exc
    try:
        yield
    finally:
        lock.release()
