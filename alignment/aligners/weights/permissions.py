"""File permissions of weights.

NLTK 3.10 reads data only from folders and files that no other user can write to and that belong to the current user or
to root. The rule covers the data folder, the folders down to the resource, and everything in the resource, but not the
parents of the data folder.
"""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


def make_private(paths: Iterable[Path]) -> None:
    """Remove write permission of group and others; paths of other users are left as they are."""
    for path in paths:
        with suppress(FileNotFoundError, PermissionError):
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_WRITABLE_BY_OTHERS)


def find_refused_path(data: Path, resource: Path) -> Path | None:
    """First path because of which NLTK would not read a resource; None when it would.

    Args:
        data: Folder in `nltk.data.path`.
        resource: Folder of the resource, relative to `data`.
    """
    if os.name != "posix":
        return None
    inspected = [(data / folder, (data / folder).stat()) for folder in (*reversed(resource.parents), resource)]
    inspected += [(path, path.lstat()) for path in (data / resource).rglob("*")]
    return next((path for path, status in inspected if not _is_private(status)), None)


def _is_private(status: os.stat_result) -> bool:
    is_link = stat.S_ISLNK(status.st_mode)
    return status.st_uid in (os.geteuid(), 0) and (is_link or not status.st_mode & _WRITABLE_BY_OTHERS)
