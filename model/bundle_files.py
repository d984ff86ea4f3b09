"""Files of a bundle: their checksums in SHA256SUMS, and reading of text and JSON."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from model.errors import BundleDamagedError, BundleMissingError

SUMS: Final = "SHA256SUMS"
MAX_TEXT_BYTES: Final = 64 * 2**20
"""Largest file of text; the two million words of the largest public vectors take 20 MB."""


def list_files(folder: Path) -> tuple[str, ...]:
    """Names of all files in a folder and its subfolders except SHA256SUMS, sorted.

    Symbolic links count as files, those to folders too: a graph could read data through them.
    """
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return tuple(sorted(name for path in paths if (name := path.relative_to(folder).as_posix()) != SUMS))


def verify_files(folder: Path, required: Iterable[str]) -> str:
    """Compare every file of a folder with SHA256SUMS.

    Args:
        folder: Folder of the bundle.
        required: Names of files that must exist.

    Returns:
        First 12 digits of the checksum of SHA256SUMS.

    Raises:
        BundleMissingError: A required or listed file does not exist.
        BundleDamagedError: A file is not listed, or its checksum is wrong.
    """
    sums, present = _read_sums(folder / SUMS), set(list_files(folder))
    for name in sorted({*required, *sums, *present}):
        path = folder / name
        if name in present and name not in sums:
            raise BundleDamagedError(path, f"it is not listed in {SUMS}; remove it if it is not part of the bundle")
        if not path.is_file():
            raise BundleMissingError(path)
        if name not in present:
            raise BundleDamagedError(path, f"{SUMS} lists it, but it is not a file of the bundle")
        if sums[name] != _hash(path):
            raise BundleDamagedError(path, f"its checksum differs from the one in {SUMS}")
    return _hash(folder / SUMS)[:12]


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS of all files of the folder in the format of `sha256sum`."""
    lines = [f"{_hash(folder / name)}  {name}\n" for name in list_files(folder)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def read_text(path: Path) -> str:
    """Content of a file of at most 64 MiB.

    Raises:
        BundleDamagedError: The file is larger, or not UTF-8.
    """
    with path.open("rb") as file:
        data = file.read(MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        raise BundleDamagedError(path, f"it is larger than {MAX_TEXT_BYTES:,} bytes, the limit for text")
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        raise BundleDamagedError(path, f"not UTF-8 ({exc})") from exc


def read_json(path: Path) -> Any:
    """Content of a JSON file.

    Raises:
        BundleDamagedError: The file is not JSON, or nested too deeply.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as exc:
        raise BundleDamagedError(path, f"not JSON ({exc})") from exc


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_sums(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise BundleMissingError(path)
    rows = [line.split("  ", 1) for line in read_text(path).splitlines()]
    if any(len(row) != 2 for row in rows):
        raise BundleDamagedError(path, "a line is not `checksum  name`")
    return {name: checksum for checksum, name in rows}
