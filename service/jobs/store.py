"""Jobs on disk: an SQLite file, and the recording of each job until it has ended.

The queue libraries that were examined (huey, among others) lose the current task when the process is killed. Here the
utterances of a window and the start of the next window are written in one transaction, so that nothing is lost or
processed twice, whenever the process ends.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

from alignment.timing import Seconds
from service.errors import JobsUnavailableError, UnknownJobError

JobStatus = Literal["queued", "running", "done", "failed"]
DATABASE: Final = "jobs.sqlite3"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL, ended REAL,
    request TEXT NOT NULL, total_s REAL, next_sample INTEGER NOT NULL, done_s REAL NOT NULL,
    warnings TEXT NOT NULL, result TEXT, problem TEXT
);
CREATE TABLE IF NOT EXISTS utterances (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, number INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (job, number)
);
"""
_DELETE_FIRST_ENDED: Final = """
DELETE FROM jobs WHERE id = (
    SELECT id FROM jobs WHERE ended < (SELECT max(ended) FROM jobs) ORDER BY ended LIMIT 1
)
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the table `jobs`.

    Attributes:
        id: Unique id.
        owner: Name of the API key that may access it; "" without keys.
        status: Current status.
        created: Seconds since 1970.
        ended: Seconds since 1970; None before.
        request: JSON of the fields of the request.
        total_s: Duration of the recording; None until it has been read.
        next_sample: Start of the next window, at 16 kHz.
        done_s: The same in seconds.
        warnings: JSON list.
        problem: JSON of a problem document.
    """

    id: str
    owner: str
    status: JobStatus
    created: Seconds
    ended: Seconds | None
    request: str
    total_s: Seconds | None
    next_sample: int
    done_s: Seconds
    warnings: str
    problem: str | None


_COLUMNS: Final = ", ".join(field.name for field in fields(Job))


class JobStore:
    """The jobs of one process; thread-safe."""

    def __init__(self, folder: Path, clock: Callable[[], Seconds] = time.time) -> None:
        """Open or create the folder, and requeue the jobs that ran when the last process ended.

        Raises:
            JobsUnavailableError: It cannot be written, or another process uses it.
        """
        self._folder, self._clock = folder, clock
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(folder / DATABASE, timeout=0.5, check_same_thread=False)
            # The first process that writes keeps the lock until it ends, in whatever way.
            self._database.executescript("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;")
            self._database.execute("PRAGMA foreign_keys = ON")
            self._database.executescript(_SCHEMA)
            self._write("UPDATE jobs SET status = 'queued' WHERE status = 'running'")
            self._remove_partial_uploads()
        except (OSError, sqlite3.Error) as exc:
            raise JobsUnavailableError(folder, str(exc)) from exc

    def recording(self, job_id: str) -> Path:
        """Path of the recording of a job."""
        return self._folder / f"{job_id}.audio"

    def add(self, job_id: str, request: str, owner: str = "") -> Job:
        """Queue a job whose recording is stored."""
        self._write(
            f"INSERT INTO jobs ({_COLUMNS}) VALUES (?, ?, 'queued', ?, NULL, ?, NULL, 0, 0, '[]', NULL)",  # noqa: S608
            (job_id, owner, self._clock(), request),
        )
        return self.find(job_id, owner)

    def find(self, job_id: str, owner: str = "") -> Job:
        """A job.

        Raises:
            UnknownJobError: The owner has no job of that id.
        """
        found = self._read(f"SELECT {_COLUMNS} FROM jobs WHERE id = ? AND owner = ?", (job_id, owner))  # noqa: S608
        if not found:
            raise UnknownJobError(job_id)
        return Job(*found[0])

    def count_result(self, job_id: str) -> int:
        """Length of the response in bytes of UTF-8.

        Raises:
            UnknownJobError: The job has been deleted, or is not done.
        """
        with self._open_result(job_id) as result:
            return len(result)

    def read_result(self, job_id: str, start: int, length: int) -> bytes:
        """At most `length` bytes of the response, which is JSON, from a position on.

        Raises:
            UnknownJobError: The job has been deleted.
        """
        with self._open_result(job_id) as result:
            result.seek(start)
            return result.read(length)

    @contextmanager
    def _open_result(self, job_id: str) -> Iterator[sqlite3.Blob]:
        with self._writing() as database:
            found = database.execute("SELECT rowid FROM jobs WHERE id = ? AND status = 'done'", (job_id,)).fetchall()
            if not found:
                raise UnknownJobError(job_id)
            with database.blobopen("jobs", "result", found[0][0], readonly=True) as result:
                yield result

    def count_open(self, owner: str | None = None) -> int:
        """Number of jobs that have not ended, of one owner or of all."""
        statement = "SELECT count(*) FROM jobs WHERE ended IS NULL AND owner = coalesce(?, owner)"
        return int(self._read(statement, (owner,))[0][0])

    def take(self) -> Job | None:
        """Mark the oldest queued job as running and return it; None without one."""
        longest = "SELECT id FROM jobs WHERE status = 'queued' ORDER BY created, id LIMIT 1"
        statement = f"UPDATE jobs SET status = 'running' WHERE id = ({longest}) RETURNING {_COLUMNS}"  # noqa: S608
        with self._writing() as database:
            found = database.execute(statement).fetchall()
        return Job(*found[0]) if found else None

    def requeue(self, job_id: str) -> None:
        """Queue a running job again."""
        self._write("UPDATE jobs SET status = 'queued' WHERE id = ? AND status = 'running'", (job_id,))

    def set_total(self, job_id: str, total_s: Seconds) -> None:
        """Set the duration of the recording."""
        self._write("UPDATE jobs SET total_s = ? WHERE id = ?", (total_s, job_id))

    def add_window(
        self, job_id: str, utterances: Sequence[str], next_sample: int, done_s: Seconds, warnings: str
    ) -> bool:
        """Store the result of a window; False when the job has been deleted."""
        with self._writing() as database:
            done = database.execute(
                "UPDATE jobs SET next_sample = ?, done_s = ?, warnings = ? WHERE id = ?",
                (next_sample, done_s, warnings, job_id),
            )
            if not done.rowcount:
                return False
            [(first,)] = database.execute("SELECT count(*) FROM utterances WHERE job = ?", (job_id,))
            database.executemany(
                "INSERT INTO utterances VALUES (?, ?, ?)",
                [(job_id, first + index, body) for index, body in enumerate(utterances)],
            )
            return True

    def utterances(self, job_id: str) -> list[str]:
        """JSON of each utterance, in order."""
        return [body for (body,) in self._read("SELECT body FROM utterances WHERE job = ? ORDER BY number", (job_id,))]

    def finish(self, job_id: str, *, result: str | None = None, problem: str | None = None) -> None:
        """Mark a job as done or failed, and delete its recording."""
        status = "failed" if result is None else "done"
        self._write(
            "UPDATE jobs SET status = ?, ended = ?, result = ?, problem = ? WHERE id = ?",
            (status, self._clock(), result, problem, job_id),
        )
        self._write("DELETE FROM utterances WHERE job = ?", (job_id,))
        self.recording(job_id).unlink(missing_ok=True)

    def delete(self, job_id: str) -> None:
        """Delete a job and its recording."""
        self._write("DELETE FROM jobs WHERE id = ?", (job_id,))
        self.recording(job_id).unlink(missing_ok=True)

    def delete_expired(self, keep_s: Seconds) -> None:
        """Delete jobs that ended longer ago than `keep_s`."""
        self._write("DELETE FROM jobs WHERE ended < ?", (self._clock() - keep_s,))

    def delete_beyond(self, limit_bytes: int) -> None:
        """Delete the jobs that ended first until the rest takes at most so many bytes; the last one stays."""
        with self._writing() as database:
            while _used_bytes(database) > limit_bytes:
                if not database.execute(_DELETE_FIRST_ENDED).rowcount:
                    return

    def close(self) -> None:
        """Release the folder; later writes raise JobsUnavailableError."""
        with self._lock:
            self._database.close()

    def _remove_partial_uploads(self) -> None:
        """Delete uploads that an ended process left incomplete."""
        known = {self.recording(job_id) for (job_id,) in self._read("SELECT id FROM jobs WHERE ended IS NULL")}
        for path in self._folder.glob("*.audio*"):
            if path not in known:
                with suppress(FileNotFoundError):
                    path.unlink()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, rolled back on failure, for instance on a full disk."""
        try:
            with self._lock, self._database:
                yield self._database
        except sqlite3.Error as exc:
            raise JobsUnavailableError(self._folder, str(exc)) from exc

    def _read(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._writing() as database:
            return database.execute(statement, values).fetchall()

    def _write(self, statement: str, values: tuple[object, ...] = ()) -> None:
        with self._writing() as database:
            database.execute(statement, values)


def _used_bytes(database: sqlite3.Connection) -> int:
    """Size of the database without its free pages."""
    [size], [free], [used] = (
        database.execute(f"PRAGMA {name}").fetchone() for name in ("page_size", "freelist_count", "page_count")
    )
    return int(size * (used - free))
