"""SQLite file of the jobs, which one process at a time uses."""

import errno
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from alignment.timing import Seconds
from service.errors import JobsUnavailableError
from service.jobs.privacy import create_private, make_private
from service.jobs.reserve import DiskReserve

_T = TypeVar("_T")
DATABASE: Final = "jobs.sqlite3"
_RESERVE: Final = "jobs.reserve"
_WAIT_S: Final[Seconds] = 0.5
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL, ended REAL,
    request TEXT NOT NULL, total_s REAL, next_sample INTEGER NOT NULL, done_s REAL NOT NULL,
    warnings TEXT NOT NULL, result TEXT, problem TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    name TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS jobs_of_owner ON jobs (owner, created, id);
CREATE TABLE IF NOT EXISTS utterances (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, number INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (job, number)
);
CREATE TABLE IF NOT EXISTS callbacks (
    job TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE, url TEXT NOT NULL, root_path TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending', attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT,
    next_attempt REAL NOT NULL DEFAULT 0, delivered REAL
);
"""
# Columns that databases of earlier versions lack.
_ADDED: Final = {
    "attempts": "INTEGER NOT NULL DEFAULT 0",
    "name": "TEXT NOT NULL DEFAULT ''",
    "size": "INTEGER NOT NULL DEFAULT 0",
}
# Holds all that `delete_beyond` reads: in the table, the large results are before the column `size`.
_SIZES: Final = "CREATE INDEX IF NOT EXISTS sizes_of_owner ON jobs (owner, ended, size, id)"
_FREE_SPACE: Final = "free space on the disk of CAN_JOBS__FOLDER"
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REASONS: Final = {
    sqlite3.SQLITE_BUSY: "another process uses the folder",
    sqlite3.SQLITE_LOCKED: "another process uses the folder",
    sqlite3.SQLITE_FULL: "the disk is full",
} | dict.fromkeys(_DAMAGED, f"the database {DATABASE} is damaged")


class JobDatabase:
    """Transactions on the database of a folder; thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Open or create the folder and its database.

        Raises:
            JobsUnavailableError: The folder cannot be used, another process uses it, or the database is damaged.
        """
        self.folder = folder
        self.reserve = DiskReserve(folder / _RESERVE)
        self._path = folder / DATABASE
        self._lock = threading.Lock()
        try:
            make_private(folder)
            self._create()
            self._connection = sqlite3.connect(self._path, timeout=_WAIT_S, check_same_thread=False)
            self._identity = self._identify()
        except (OSError, sqlite3.Error) as exc:
            raise explain_failure(folder, exc) from exc
        try:
            self._prepare()
        except sqlite3.Error as exc:
            # Otherwise this connection would hold the lock that the next attempt needs.
            self._connection.close()
            raise explain_failure(folder, exc) from exc

    def _create(self) -> None:
        """Create the file with the mode 0600, which SQLite gives to the files that it creates for it, too.

        An existing file must not be opened here: closing it would release SQLite's locks.
        """
        if not self._path.exists():
            create_private(self._path).close()

    def _prepare(self) -> None:
        # The first process that writes keeps the lock until it ends, in whatever way.
        self._connection.executescript("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(_SCHEMA)
        columns = {row[1] for row in self._connection.execute("PRAGMA table_info(jobs)")}
        for name, definition in _ADDED.items():
            if name not in columns:
                self._connection.execute(f"ALTER TABLE jobs ADD COLUMN {name} {definition}")
        self._connection.execute(_SIZES)

    @property
    def is_current(self) -> bool:
        """Whether the file is still the one in the folder; it is not when the folder was removed or replaced."""
        try:
            return self._identify() == self._identity
        except OSError:
            return False

    def run(self, work: Callable[[sqlite3.Connection], _T], *, uses_reserve: bool = False) -> _T:
        """Result of `work` in one transaction, rolled back on failure, for instance on a full disk.

        Args:
            work: Executes statements.
            uses_reserve: Whether a full disk is worth the reserve, which is then released: for deletions.

        Raises:
            JobsUnavailableError: The database cannot be read or written.
        """
        with self._lock:
            try:
                return self._attempt(work)
            except sqlite3.Error as exc:
                full = _primary_code(exc) == sqlite3.SQLITE_FULL
                if not (full and uses_reserve and self.reserve.release()):
                    raise explain_failure(self.folder, exc) from exc
            try:
                return self._attempt(work)
            except sqlite3.Error as exc:
                raise explain_failure(self.folder, exc) from exc

    def _attempt(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._connection:
            return work(self._connection)

    def read(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement; see `run`."""
        return self.run(lambda connection: connection.execute(statement, values).fetchall())

    def write(self, statement: str, values: tuple[object, ...] = (), *, uses_reserve: bool = False) -> int:
        """Number of rows that a statement changed; see `run`."""
        return self.run(lambda connection: connection.execute(statement, values).rowcount, uses_reserve=uses_reserve)

    def close(self) -> None:
        """Release the folder; later transactions raise JobsUnavailableError."""
        with self._lock:
            self._connection.close()

    def _identify(self) -> tuple[int, int]:
        stat = self._path.stat()
        return stat.st_dev, stat.st_ino


def explain_failure(folder: Path, error: OSError | sqlite3.Error) -> JobsUnavailableError:
    """The error of a folder that cannot be used, with its cause and what the operator can do."""
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return JobsUnavailableError(folder, reason, _FREE_SPACE) if full else JobsUnavailableError(folder, reason)
    code = _primary_code(error)
    reason = _REASONS.get(code, str(error))
    if code in _DAMAGED:
        way_out = f"move {DATABASE} out of the folder of CAN_JOBS__FOLDER, or set CAN_JOBS__FOLDER to another folder"
        return JobsUnavailableError(folder, reason, way_out)
    if code == sqlite3.SQLITE_FULL:
        return JobsUnavailableError(folder, reason, _FREE_SPACE)
    return JobsUnavailableError(folder, reason)


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; 0 for errors of Python's module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
