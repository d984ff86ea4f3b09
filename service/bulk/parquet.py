"""Parquet files of a bulk run; they are its only state, so that nothing can contradict the results.

`results.parquet.parts/` holds parts that are written atomically by the process that was started; workers on other
machines need no access to its disk. At the end the parts are joined to one file, in order of the names of the
recordings.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import lru_cache
from pathlib import Path
from shutil import rmtree
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from model.atomic import atomic_file, exclusive_lock
from service.bulk.schema import UNREADABLE, WORKER_LOST
from service.errors import ResultsError, UnwritableError
from service.results.problems import PROBLEMS

_SERVER_ERROR: Final = 500
_IDENTITY: Final = b"can-ser"
_TRANSIENT: Final = frozenset(
    {UNREADABLE, WORKER_LOST, *(problem.code for problem in PROBLEMS.values() if problem.status >= _SERVER_ERROR)}
)
_ROWS_IN_A_GROUP: Final = 1_000
_PARTS_IN_MEMORY: Final = 64


class ResultParts(AbstractContextManager["ResultParts"]):
    """Rows of earlier runs and of this one; closing it flushes them.

    Attributes:
        problems: Problem code of each recording with a row; None for one that was analysed.
    """

    def __init__(self, out: Path, schema: pa.Schema, identity: str) -> None:
        """Lock the folder and read the existing rows.

        Args:
            out: File of the table; its existing rows are kept.
            schema: Schema of the rows.
            identity: Weights and aligner; rows of others are refused.

        Raises:
            ResultsError: The files belong to another run, or the folder cannot be used.
        """
        self._out, self._folder = out, out.with_name(f"{out.name}.parts")
        self._schema = schema.with_metadata({_IDENTITY: identity.encode()})
        self._rows: list[pa.Table] = []
        self._count = 0
        self.problems: dict[str, str | None] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = ExitStack()
            self._lock.enter_context(
                exclusive_lock(self._folder / "parts", lambda: ResultsError(out, "another run is writing it"))
            )
            for path in self._files():
                self._check(path)
                self._record(pq.read_table(path, columns=["file", "problem"]))
                self._count = self._count if path == out else int(path.stem) + 1
        except (OSError, pa.ArrowException, ValueError) as exc:
            raise ResultsError(out, str(exc)) from exc

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
        finally:
            self._lock.close()

    def find_remaining(self, names: Sequence[str]) -> list[str]:
        """Recordings without a row, or with a transient problem: an unreachable storage, a dead process."""
        return [name for name in names if name not in self.problems or self.problems[name] in _TRANSIENT]

    def add(self, rows: pa.Table) -> None:
        """Add rows, which are written by the next `flush`."""
        self._rows.append(rows)
        self._record(rows)

    def flush(self) -> None:
        """Write the rows that were added since the last time.

        Raises:
            UnwritableError: The file cannot be written; the rows are then lost.
        """
        if self._rows:
            rows, self._rows = pa.concat_tables(self._rows).cast(self._schema), []
            self._write(self._folder / f"{self._count:06d}.parquet", [rows])
            self._count += 1

    def join(self) -> None:
        """Join all parts to one file; the last row of each recording is kept.

        Raises:
            UnwritableError: The file cannot be written; the parts are kept.
        """
        self.flush()
        files = self._files()
        places = {
            name: (part, row)
            for part, path in enumerate(files)
            for row, name in enumerate(pq.read_table(path, columns=["file"])["file"].to_pylist())
        }

        # Parts are written in about the order of the names: few of them are read more than once.
        @lru_cache(_PARTS_IN_MEMORY)
        def read(part: int) -> pa.Table:
            return pq.read_table(files[part])

        names = sorted(places)
        groups = (names[first : first + _ROWS_IN_A_GROUP] for first in range(0, len(names), _ROWS_IN_A_GROUP))
        tables = (_gather([places[name] for name in group], read) for group in groups)
        self._write(self._out, tables)
        rmtree(self._folder)

    def _write(self, path: Path, tables: Iterable[pa.Table]) -> None:
        try:
            _write_table(path, tables, self._schema)
        except OSError as exc:
            raise UnwritableError(self._out, exc.strerror or str(exc)) from exc

    def _files(self) -> list[Path]:
        """Tables in the order of their creation."""
        # A killed run may leave the temporary file of a part, `.HEX-NUMBER.parquet`.
        parts = sorted(self._folder.glob("[0-9]*.parquet"))
        return [self._out, *parts] if self._out.exists() else parts

    def _check(self, path: Path) -> None:
        found = pq.read_schema(path)
        existing = (found.metadata or {}).get(_IDENTITY, b"another program").decode()
        own = self._schema.metadata[_IDENTITY].decode()
        if existing != own or not found.equals(self._schema):
            raise ResultsError(self._out, f"{path.name} was written by {existing}, this run is {own}")

    def _record(self, rows: pa.Table) -> None:
        self.problems.update(zip(rows["file"].to_pylist(), rows["problem"].to_pylist(), strict=True))


def _gather(places: Sequence[tuple[int, int]], read: Callable[[int], pa.Table]) -> pa.Table:
    """Rows in the order of their (part, row) positions."""
    rows_of_part: dict[int, list[int]] = {}
    for part, row in places:
        rows_of_part.setdefault(part, []).append(row)
    joined = pa.concat_tables([read(part).take(rows) for part, rows in rows_of_part.items()])
    position = {
        place: index for index, place in enumerate((p, row) for p, rows in rows_of_part.items() for row in rows)
    }
    return joined.take([position[place] for place in places])


def _write_table(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    with atomic_file(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
