"""What an archive's run has written so far, which is also all that it knows: no state beside the results can disagree.

`results.parquet.parts/` holds parts, each written aside and renamed, so that a part is there whole or not at all. The
process that was asked for the results writes them: workers on other machines need not see its disk. At the end the
parts become one file, in order of the recordings' names.
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from service.bulk.schema import UNREADABLE, WORKER_LOST
from service.errors import ResultsError
from service.results.problems import PROBLEMS

_SERVER_ERROR: Final = 500
_IDENTITY: Final = b"can-ser"
_PASSING: Final = frozenset(
    {UNREADABLE, WORKER_LOST, *(problem.code for problem in PROBLEMS.values() if problem.status >= _SERVER_ERROR)}
)
_ROWS_IN_A_GROUP: Final = 1_000
_PARTS_IN_MEMORY: Final = 64


class Parts:
    """The rows of earlier runs and of this one; closing it writes what was added.

    Attributes:
        problems: of each recording that has a row, None for one that was answered.
    """

    def __init__(self, out: Path, schema: pa.Schema, identity: str) -> None:
        """Reads what is there.

        Args:
            out: the file to be made; rows that it has are kept.
            schema: of the rows.
            identity: who answers; rows of another are not mixed in.

        Raises:
            ResultsError: what is there belongs to something else, or the folder cannot be used.
        """
        self._out, self._folder = out, out.with_name(f"{out.name}.parts")
        self._schema = schema.with_metadata({_IDENTITY: identity.encode()})
        self._rows: list[pa.Table] = []
        self._count = 0
        self.problems: dict[str, str | None] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # The system gives it back when the process ends, however it ends.
            self._lock = (self._folder / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in self._files():
                self._check(path)
                self._note(pq.read_table(path, columns=["file", "problem"]))
                self._count = self._count if path == out else int(path.stem) + 1
        except BlockingIOError as exc:
            raise ResultsError(out, "another run is at work on it") from exc
        except (OSError, pa.ArrowException, ValueError) as exc:
            raise ResultsError(out, str(exc)) from exc

    def __enter__(self) -> "Parts":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        self._lock.close()

    def find_open(self, names: Sequence[str]) -> list[str]:
        """Recordings without a row, or whose problem may be over: a storage that was away, a process that died."""
        return [name for name in names if name not in self.problems or self.problems[name] in _PASSING]

    def add(self, rows: pa.Table) -> None:
        """Keeps rows until the next `flush`."""
        self._rows.append(rows)
        self._note(rows)

    def flush(self) -> None:
        """Writes what was added since the last time."""
        if self._rows:
            rows = pa.concat_tables(self._rows).cast(self._schema)
            _write_whole(self._folder / f"{self._count:06d}.parquet", [rows], self._schema)
            self._rows, self._count = [], self._count + 1

    def join(self) -> None:
        """Makes one file of all parts; of a recording that has several rows the last one counts."""
        self.flush()
        files = self._files()
        places = {
            name: (part, row)
            for part, path in enumerate(files)
            for row, name in enumerate(pq.read_table(path, columns=["file"])["file"].to_pylist())
        }

        # Parts are written in about the order of the names, so that few of them are read more than once.
        @lru_cache(_PARTS_IN_MEMORY)
        def read(part: int) -> pa.Table:
            return pq.read_table(files[part])

        names = sorted(places)
        groups = (names[first : first + _ROWS_IN_A_GROUP] for first in range(0, len(names), _ROWS_IN_A_GROUP))
        tables = (_gather([places[name] for name in group], read) for group in groups)
        _write_whole(self._out, tables, self._schema)
        rmtree(self._folder)

    def _files(self) -> list[Path]:
        """Tables in the order in which they were written."""
        parts = sorted(self._folder.glob("*.parquet"))
        return [self._out, *parts] if self._out.exists() else parts

    def _check(self, path: Path) -> None:
        found = pq.read_schema(path)
        theirs = (found.metadata or {}).get(_IDENTITY, b"another program").decode()
        ours = self._schema.metadata[_IDENTITY].decode()
        if theirs != ours or not found.equals(self._schema):
            raise ResultsError(self._out, f"{path.name} was made by {theirs}, this is {ours}")

    def _note(self, rows: pa.Table) -> None:
        self.problems.update(zip(rows["file"].to_pylist(), rows["problem"].to_pylist(), strict=True))


def _gather(places: Sequence[tuple[int, int]], read: Callable[[int], pa.Table]) -> pa.Table:
    """Rows in the order of their (part, row)."""
    wanted: dict[int, list[int]] = {}
    for part, row in places:
        wanted.setdefault(part, []).append(row)
    together = pa.concat_tables([read(part).take(rows) for part, rows in wanted.items()])
    position = {place: index for index, place in enumerate((p, row) for p, rows in wanted.items() for row in rows)}
    return together.take([position[place] for place in places])


def _write_whole(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Under another name until it is complete and on disk."""
    aside = path.with_name(f"{path.name}.part")
    with aside.open("wb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
