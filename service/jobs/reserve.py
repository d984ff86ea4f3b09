"""Disk space that is kept free for deletions: SQLite needs some to delete, also on a full disk."""

import os
from pathlib import Path
from typing import Final

from service.jobs.privacy import create_private

_SIZE_BYTES: Final = 1_000_000


class DiskReserve:
    """A file that is deleted when the disk is full, and written again when there is space."""

    def __init__(self, path: Path) -> None:
        """Write nothing yet."""
        self._path = path

    def restore(self) -> None:
        """Write the file, unless it exists.

        Raises:
            OSError: There is no space.
        """
        if self._path.exists():
            return
        part = self._path.with_name(f"{self._path.name}-part")
        try:
            # Random bytes, which no file system compresses.
            part.unlink(missing_ok=True)
            with create_private(part) as file:
                file.write(os.urandom(_SIZE_BYTES))
            part.replace(self._path)
        finally:
            part.unlink(missing_ok=True)

    def release(self) -> bool:
        """Delete the file; False where there is none."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
