"""Folders of the user for caches and state, and what replaces them where the user has no home folder.

Containers with a random user id and services without HOME have none. A private folder of this user in the temporary
folder replaces it.
"""

import os
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path, user_state_path

_NAME: Final = "can-ser"
_PRIVATE: Final = 0o700
_OTHERS: Final = 0o077


def cache_folder() -> Path:
    """Folder of files that can be downloaded or computed again."""
    return _find(user_cache_path) or fallback_folder() / "cache"


def state_folder() -> Path:
    """Folder of data that outlives a process; the fallback also where it cannot be created."""
    folder = _find(user_state_path)
    return folder if folder is not None and _can_be_created(folder) else fallback_folder() / "state"


def home_folder() -> Path:
    """The home folder, or the fallback."""
    try:
        return Path.home()
    except RuntimeError:
        return fallback_folder()


def expand_user(name: str) -> Path:
    """A path in which `~` or `~USER` at the beginning is a home folder; without one, `~` is the fallback.

    Raises:
        RuntimeError: The user has no home folder.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError:
        if name.split("/", maxsplit=1)[0] != "~":
            raise
        return home_folder() / name[2:]


@cache
def fallback_folder() -> Path:
    """A private folder in the temporary folder, the same for all processes of the user where nobody else has taken it.

    Raises:
        FileNotFoundError: There is no temporary folder that can be written to.
    """
    folder = Path(tempfile.gettempdir()) / f"{_NAME}-{os.getuid()}"
    try:
        folder.mkdir(mode=_PRIVATE)
    except FileExistsError:
        if not _is_private(folder):
            return Path(tempfile.mkdtemp(prefix=f"{_NAME}-"))
    return folder


def is_fallback(folder: Path) -> bool:
    """Whether a folder is in the fallback."""
    return fallback_folder.cache_info().currsize > 0 and folder.is_relative_to(fallback_folder())


def _find(find: Callable[[str], Path]) -> Path | None:
    try:
        return find(_NAME)
    except RuntimeError:
        return None


def _can_be_created(folder: Path) -> bool:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _is_private(folder: Path) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & _OTHERS
