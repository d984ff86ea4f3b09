"""Which files a command line means: paths, folders, and patterns where the shell has not expanded them."""

from collections.abc import Iterable
from glob import glob, has_magic
from pathlib import Path
from typing import Final

from service.errors import NoRecordingsError

SUFFIXES: Final = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".webm", ".aif", ".aiff", ".au", ".wma"}
)
"""What a file in a folder must end in; a file that is named may end in anything."""


def find_recordings(named: Iterable[str]) -> list[Path]:
    """Recordings in the order in which they are named, each once; those of a folder, and below it, by name.

    Args:
        named: a file (which need not exist: the answer about it says so), a folder, or a pattern such as
            "clips/**/*.wav".

    Raises:
        NoRecordingsError: a folder or a pattern holds none.
    """
    return list(dict.fromkeys(path for name in named for path in _expand(name)))


def _expand(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        found = _inside(path)
    elif has_magic(name) and not path.exists():
        # Path.glob takes no absolute pattern.
        matches = [Path(match) for match in sorted(glob(name, recursive=True))]  # noqa: PTH207
        found = [match for match in matches if match.is_file()]
    else:
        return [path]
    if not found:
        raise NoRecordingsError(name)
    return found


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
