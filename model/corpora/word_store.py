"""Stored words of recordings, one line of JSON each, so that an interrupted recognition can be resumed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

Entry = TypeVar("Entry")


class WordStore(Generic[Entry]):
    """Results by key in a file that only grows; truncated lines and those of earlier versions are ignored."""

    def __init__(self, path: Path, kind: TypeAdapter[Entry]) -> None:
        """Read the stored results.

        Args:
            path: File of results; the first `add` creates it.
            kind: Type of a result.
        """
        self._path, self._kind = path, kind
        self._entries: dict[str, Entry] = {}
        lines: Sequence[str] = path.read_text(encoding="utf-8").splitlines() if path.is_file() else ()
        for line in lines:
            try:
                stored: Any = json.loads(line)
                self._entries[stored[0]] = kind.validate_python(stored[1])
            except (json.JSONDecodeError, ValidationError):
                continue  # empty, truncated, or of an earlier version

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __getitem__(self, key: str) -> Entry:
        return self._entries[key]

    def add(self, key: str, entry: Entry) -> None:
        """Store a result on disk; the file is flushed."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            # The first line break ends a truncated line.
            file.write(f"\n{json.dumps([key, self._kind.dump_python(entry, mode='json')])}\n")
        self._entries[key] = entry
