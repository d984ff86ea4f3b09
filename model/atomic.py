"""Folders that are there as a whole or not at all, and that one command at a time writes to."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from model.errors import TrainingError


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder to fill that takes the place of `out` when the block ends well; what was there goes only then."""
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    old = scratch.with_name(f"{scratch.name}-old")
    try:
        yield scratch
        scratch.chmod(0o755)
        if out.is_dir():
            out.rename(old)
        scratch.rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """No other command writes to a folder until the block ends, or the process, however it ends.

    Raises:
        TrainingError: another command does.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout as exc:
        raise TrainingError(
            f"another command is at work in {path}; wait until it ends, or choose another --out"
        ) from exc
    try:
        yield
    finally:
        lock.release()
