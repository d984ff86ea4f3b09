"""Recordings that arrive for jobs: copied to the folder of jobs if they are audio."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from alignment.audio import probe_audio
from alignment.errors import AlignmentError
from model.atomic import atomic_file
from service.jobs.privacy import create_private

_PIECE_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class JobUpload:
    """A recording for a job.

    Attributes:
        file: The recording, at its start.
        name: Name of the file; "" where the client sent none.
    """

    file: BinaryIO
    name: str = ""


def save_all(uploads: Sequence[JobUpload], paths: Sequence[Path]) -> None:
    """Copy recordings to the places of their jobs.

    Raises:
        AlignmentError: One of them is not audio; where there are several, its notes name it.
        OSError: The disk has no space, or cannot be written.
    """
    for number, (upload, path) in enumerate(zip(uploads, paths, strict=True), start=1):
        try:
            _save(upload.file, path)
        except AlignmentError as error:
            if len(uploads) > 1:
                error.add_note(f"file {number} of {len(uploads)}, {upload.name!r}; none was accepted")
            raise


def remove_all(paths: Iterable[Path]) -> None:
    """Delete the recordings that were stored."""
    for path in paths:
        path.unlink(missing_ok=True)


def _save(recording: BinaryIO, path: Path) -> None:
    with atomic_file(path) as part:
        with create_private(part) as file:
            shutil.copyfileobj(recording, file, _PIECE_BYTES)
        probe_audio(part)
