"""Jobs on disk: an SQLite file, and the recording of each job until it has ended.

The queue libraries that were examined (huey, among others) lose the current task when the process is killed. Here the
utterances of a window and the start of the next window are written in one transaction, so that nothing is lost or
processed twice, whenever the process ends.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Final, TypeVar

import structlog

from alignment.timing import Seconds
from service.errors import JobsUnavailableError, UnknownJobError
from service.jobs.callback_table import CallbackTable, NewCallback, add_callback
from service.jobs.clock import SteadyClock
from service.jobs.database import JobDatabase, explain_failure
from service.jobs.job import COLUMNS, Job, JobFilter, JobPage, read_page

_T = TypeVar("_T")
_MICROSECOND: Final[Seconds] = 1e-6
_DELETE_FIRST_ENDED: Final = """
DELETE FROM jobs WHERE id = (
    WITH earlier AS (SELECT id, owner, ended, size FROM jobs WHERE ended < (SELECT max(ended) FROM jobs))
    SELECT id FROM earlier
    WHERE owner = (SELECT owner FROM earlier GROUP BY owner ORDER BY sum(size) DESC, min(ended) LIMIT 1)
    ORDER BY ended LIMIT 1
)
"""
log = structlog.stdlib.get_logger("service.jobs.store")


class JobStore:
    """The jobs of one process; thread-safe.

    Attributes:
        callbacks: The callbacks of these jobs.
    """

    def __init__(self, folder: Path, keep_s: Seconds, clock: Callable[[], Seconds] | None = None) -> None:
        """Open or create the folder, and requeue the jobs that ran when the last process ended.

        Args:
            folder: Folder of the jobs.
            keep_s: How long a job is kept after its end.
            clock: Seconds since 1970; None for a `SteadyClock`.

        Raises:
            JobsUnavailableError: See `JobDatabase`.
        """
        self._folder, self._keep_s, self._clock = folder, keep_s, clock or SteadyClock()
        self._forgotten: set[str] = set()
        self._database = JobDatabase(folder)
        try:
            self._recover()
            self.callbacks = CallbackTable(self._database, self._clock)
        except OSError as exc:
            self._database.close()
            raise explain_failure(folder, exc) from exc
        except JobsUnavailableError:
            self._database.close()
            raise

    @property
    def is_current(self) -> bool:
        """Whether the folder still holds the database; it does not where it was removed or replaced."""
        return self._database.is_current

    def recording(self, job_id: str) -> Path:
        """Path of the recording of a job."""
        return self._folder / f"{job_id}.audio"

    def require_space(self) -> None:
        """Raise where the disk is full.

        Raises:
            JobsUnavailableError: The space that deletions need cannot be reserved.
        """
        try:
            self._database.reserve.restore()
        except OSError as exc:
            raise explain_failure(self._folder, exc) from exc

    def add(
        self, job_id: str, request: str, owner: str = "", callback: NewCallback | None = None, name: str = ""
    ) -> Job:
        """Queue a job whose recording is stored, with the address of its callback."""
        return self.add_all([(job_id, name)], request, owner, callback)[0]

    def add_all(
        self, recordings: Sequence[tuple[str, str]], request: str, owner: str = "", callback: NewCallback | None = None
    ) -> list[Job]:
        """Queue jobs whose recordings are stored, all or none; they are processed in this order.

        Args:
            recordings: Id of the job, and name of the file.
            request: JSON of the fields of the request.
            owner: Name of the API key.
            callback: Callback of each job.
        """
        now = self._clock()
        jobs = [
            Job(job_id, owner, "queued", now + _MICROSECOND * index, None, request, None, 0, 0.0, "[]", None, 0, name)
            for index, (job_id, name) in enumerate(recordings)
        ]
        rows = [astuple(job) for job in jobs]
        statement = f"INSERT INTO jobs ({COLUMNS}) VALUES ({', '.join('?' * len(rows[0]))})"  # noqa: S608

        def add(database: sqlite3.Connection) -> None:
            database.executemany(statement, rows)
            if callback is not None:
                for job in jobs:
                    add_callback(database, job.id, callback)

        self._database.run(add)
        return jobs

    def read_page(self, wanted: JobFilter) -> JobPage:
        """A page of the jobs of an owner that have not expired, newest first; nothing is written."""
        return read_page(self._database, wanted, self._clock() - self._keep_s, self._forgotten)

    def find(self, job_id: str, owner: str = "") -> Job:
        """A job that has not expired; nothing is written.

        Raises:
            UnknownJobError: The owner has no job of that id.
        """
        rows = self._database.read(
            f"SELECT {COLUMNS} FROM jobs WHERE id = ? AND owner = ? AND (ended IS NULL OR ended >= ?)",  # noqa: S608
            (job_id, owner, self._clock() - self._keep_s),
        )
        if not rows or job_id in self._forgotten:
            raise UnknownJobError(job_id)
        return Job(*rows[0])

    def count_result(self, job_id: str) -> int:
        """Length of the response in bytes of UTF-8.

        Raises:
            UnknownJobError: The job has been deleted, or is not done.
        """
        return self._read_result(job_id, len)

    def read_result(self, job_id: str, start: int, length: int) -> bytes:
        """At most `length` bytes of the response, which is JSON, from a position on.

        Raises:
            UnknownJobError: The job has been deleted.
        """

        def read(result: sqlite3.Blob) -> bytes:
            result.seek(start)
            return result.read(length)

        return self._read_result(job_id, read)

    def _read_result(self, job_id: str, read: Callable[[sqlite3.Blob], _T]) -> _T:
        def open_and_read(database: sqlite3.Connection) -> _T:
            rows = database.execute("SELECT rowid FROM jobs WHERE id = ? AND status = 'done'", (job_id,)).fetchall()
            if not rows or job_id in self._forgotten:
                raise UnknownJobError(job_id)
            with database.blobopen("jobs", "result", rows[0][0], readonly=True) as result:
                return read(result)

        return self._database.run(open_and_read)

    def count_open(self, owner: str | None = None) -> int:
        """Number of jobs that have not ended, of one owner or of all."""
        statement = "SELECT count(*) FROM jobs WHERE ended IS NULL AND owner = coalesce(?, owner)"
        return int(self._database.read(statement, (owner,))[0][0])

    def take(self) -> Job | None:
        """Mark the next queued job as running and return it; None without one.

        It is the oldest one, but jobs during which a process died come last.
        """
        first = (
            "SELECT id FROM jobs WHERE status = 'queued' AND id NOT IN (SELECT value FROM json_each(?)) "
            "ORDER BY attempts, created, id LIMIT 1"
        )
        statement = (
            "UPDATE jobs SET status = 'running', attempts = attempts + 1 "  # noqa: S608
            f"WHERE id = ({first}) RETURNING {COLUMNS}"
        )
        rows = self._database.read(statement, (json.dumps(list(self._forgotten)),))
        return Job(*rows[0]) if rows else None

    def requeue(self, job_id: str) -> None:
        """Queue a running job again, whose process did not die."""
        self._requeue("id = ? AND status = 'running'", (job_id,))

    def set_total(self, job_id: str, total_s: Seconds) -> None:
        """Set the duration of the recording."""
        self._database.write("UPDATE jobs SET total_s = ? WHERE id = ?", (total_s, job_id))

    def add_window(
        self, job_id: str, utterances: Sequence[str], next_sample: int, done_s: Seconds, warnings: str
    ) -> bool:
        """Store the result of a window; False when the job has been deleted."""

        def store(database: sqlite3.Connection) -> bool:
            done = database.execute(
                "UPDATE jobs SET next_sample = ?, done_s = ?, warnings = ?, attempts = 1 WHERE id = ?",
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

        return job_id not in self._forgotten and self._database.run(store)

    def utterances(self, job_id: str) -> list[str]:
        """JSON of each utterance, in order."""
        rows = self._database.read("SELECT body FROM utterances WHERE job = ? ORDER BY number", (job_id,))
        return [body for (body,) in rows]

    def finish(self, job_id: str, *, result: str | None = None, problem: str | None = None) -> bool:
        """Mark a job as done or failed, and delete its recording; False when the job has been deleted."""
        status = "failed" if result is None else "done"
        size = len((result or problem or "").encode())

        def store(database: sqlite3.Connection) -> bool:
            ended = database.execute(
                "UPDATE jobs SET status = ?, ended = ?, result = ?, problem = ?, size = ?, "
                # Silence after the last given word is in no window.
                "done_s = iif(?, coalesce(total_s, done_s), done_s) WHERE id = ?",
                (status, self._clock(), result, problem, size, status == "done", job_id),
            )
            database.execute("DELETE FROM utterances WHERE job = ?", (job_id,))
            return bool(ended.rowcount)

        finished = job_id not in self._forgotten and self._database.run(store)
        self._remove_recording(job_id)
        return finished

    def delete(self, job_id: str) -> None:
        """Delete the recording of a job, then the job; where the disk is full, the row is deleted later.

        Raises:
            JobsUnavailableError: The recording cannot be deleted.
        """
        self._remove_recording(job_id)
        self._forget({job_id})

    def delete_expired(self) -> None:
        """Delete jobs that ended too long ago, and rows that `delete` could not delete."""
        self._database.write("DELETE FROM jobs WHERE ended < ?", (self._clock() - self._keep_s,), uses_reserve=True)
        self._delete_forgotten()

    def delete_beyond(self, limit_bytes: int) -> None:
        """Delete ended jobs until the rest takes at most so many bytes; the last one stays.

        Each time the owner with the most bytes loses the job that ended first, so that a key with large results does
        not displace those of others.
        """

        def delete(database: sqlite3.Connection) -> None:
            while _used_bytes(database) > limit_bytes:
                # It is -1 where Python does not know it.
                if database.execute(_DELETE_FIRST_ENDED).rowcount != 1:
                    return

        self._database.run(delete, uses_reserve=True)

    def close(self) -> None:
        """Requeue running jobs and release the folder; later writes raise JobsUnavailableError."""
        with suppress(JobsUnavailableError):
            self._requeue("status = 'running'")
        self._database.close()

    def _requeue(self, condition: str, values: tuple[object, ...] = ()) -> None:
        self._database.write(
            f"UPDATE jobs SET status = 'queued', attempts = max(0, attempts - 1) WHERE {condition}",  # noqa: S608
            values,
        )

    def _remove_recording(self, job_id: str) -> None:
        try:
            self.recording(job_id).unlink(missing_ok=True)
        except OSError as exc:
            raise explain_failure(self._folder, exc) from exc

    def _forget(self, job_ids: set[str]) -> None:
        """Delete rows; those that cannot be deleted now are hidden, and deleted by `delete_expired`."""
        self._forgotten |= job_ids
        try:
            self._delete_forgotten()
        except JobsUnavailableError as error:
            log.warning("rows of deleted jobs stay for now", jobs=len(self._forgotten), detail=str(error))

    def _delete_forgotten(self) -> None:
        values = (json.dumps(list(self._forgotten)),)
        statement = "DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(?))"
        if self._forgotten:
            self._database.write(statement, values, uses_reserve=True)
            self._forgotten.clear()

    def _recover(self) -> None:
        """Requeue jobs of a dead process; delete incomplete uploads, and jobs whose recording has been deleted.

        A job without recording was deleted while the disk was full. An end in the future is that of a clock that was
        set back since: the job would be kept for too long.
        """
        now = self._clock()
        self._database.write("UPDATE jobs SET status = 'queued' WHERE status = 'running'", uses_reserve=True)
        self._database.write("UPDATE jobs SET ended = ? WHERE ended > ?", (now, now), uses_reserve=True)
        unfinished = {job_id for (job_id,) in self._database.read("SELECT id FROM jobs WHERE ended IS NULL")}
        known = {self.recording(job_id) for job_id in unfinished}
        for path in self._folder.glob("*.audio*"):
            if path not in known:
                path.unlink(missing_ok=True)
        self._forget({job_id for job_id in unfinished if not self.recording(job_id).exists()})
        with suppress(OSError):
            self._database.reserve.restore()


def _used_bytes(database: sqlite3.Connection) -> int:
    """Size of the database without its free pages."""
    [size], [free], [used] = (
        database.execute(f"PRAGMA {name}").fetchone() for name in ("page_size", "freelist_count", "page_count")
    )
    return int(size * (used - free))
