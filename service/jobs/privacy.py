"""Access to the folder of jobs: recordings and results are readable by the user of the service only."""

import os
from pathlib import Path
from typing import BinaryIO, Final

import structlog

_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = 0o077
_PATTERNS: Final = ("jobs.sqlite3*", "jobs.reserve*", "*.audio*")
log = structlog.stdlib.get_logger("service.jobs.privacy")


def create_private(path: Path) -> BinaryIO:
    """Create a file with the mode 0600 and open it for writing.

    Raises:
        OSError: It exists, or cannot be created.
    """
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE), "wb")


def make_private(folder: Path) -> None:
    """Create the folder with the mode 0700, or correct its mode and those of the files of jobs in it.

    The mode of a folder that belongs to another user, or holds other files, stays; a warning names it.

    Raises:
        OSError: The folder cannot be created or read, or a file of a job cannot be made private.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
    if os.name != "posix":
        return
    entries = set(folder.iterdir())
    ours = {path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file() and not path.is_symlink()}
    for path in ours:
        if path.stat().st_mode & _OTHERS:
            path.chmod(_PRIVATE_FILE)
            log.warning("job file was readable by other users; its mode is corrected", file=path.name)
    if folder.stat().st_mode & _OTHERS:
        _make_folder_private(folder, only_jobs=entries <= ours)


def _make_folder_private(folder: Path, *, only_jobs: bool) -> None:
    mode = f"{folder.stat().st_mode & 0o777:04o}"
    if only_jobs and folder.stat().st_uid == os.geteuid():
        folder.chmod(_PRIVATE_FOLDER)
        log.warning("folder of jobs was accessible to other users; its mode is corrected", was=mode)
    else:
        log.warning(
            "folder of jobs is accessible to other users; choose another CAN_JOBS__FOLDER, or chmod 700 it",
            folder=str(folder),
            mode=mode,
        )
