"""Callbacks of jobs in the database: address, attempts and outcome; they are deleted with their jobs."""

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final, Literal

from alignment.timing import Seconds
from service.jobs.database import JobDatabase

CallbackStatus = Literal["pending", "delivered", "failed"]
_LONGEST_WAIT_S: Final[Seconds] = 3_600.0
_FACTOR: Final = 4
_INTERRUPTED: Final = "the process of the service ended during the last attempt"


@dataclass(frozen=True, slots=True)
class NewCallback:
    """The callback of a job to be added.

    Attributes:
        url: Address of the receiver.
        root_path: Path under which the client reaches the service; the message names the job's address under it.
    """

    url: str
    root_path: str = ""


@dataclass(frozen=True, slots=True)
class Callback:
    """A row of the table `callbacks`.

    Attributes:
        job: Id of the job.
        url: Address of the receiver.
        root_path: Path under which the client reaches the service.
        status: Current status.
        attempts: Attempts so far, including one in progress.
        last_error: Why the last attempt failed; None before, and after the delivery.
        next_attempt: Seconds since 1970; while an attempt is in progress, when the next one begins if the process dies.
        delivered: Seconds since 1970; None before.
    """

    job: str
    url: str
    root_path: str
    status: CallbackStatus
    attempts: int
    last_error: str | None
    next_attempt: Seconds
    delivered: Seconds | None


@dataclass(frozen=True, slots=True)
class DueCallback:
    """An attempt that has begun.

    Attributes:
        callback: The callback, its attempts including this one.
        job_status: "done" or "failed".
        job_ended: Seconds since 1970.
        left_s: Time until the job, and its callback, is deleted.
    """

    callback: Callback
    job_status: str
    job_ended: Seconds
    left_s: Seconds


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """Waits between attempts: exponential, with jitter.

    Attributes:
        attempts: Number of attempts.
        first_wait_s: Longest wait after the first one.
        timeout_s: Longest time of one attempt.
        keep_s: How long a job, and its callback, is kept after its end.
    """

    attempts: int
    first_wait_s: Seconds
    timeout_s: Seconds
    keep_s: Seconds

    def wait_s(self, attempts: int) -> Seconds:
        """Wait after a number of attempts, between half and all of the exponential one."""
        longest_s = min(_LONGEST_WAIT_S, self.first_wait_s * float(_FACTOR) ** (attempts - 1))
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret

    def next_wait_s(self, due: "DueCallback", requested_s: Seconds) -> Seconds | None:
        """Wait after a failed attempt; None where it was the last one.

        Args:
            due: The attempt.
            requested_s: Shortest wait that the receiver requests; at most an hour counts.
        """
        wait_s = max(self.wait_s(due.callback.attempts), min(requested_s, _LONGEST_WAIT_S))
        ends = due.callback.attempts >= self.attempts or wait_s + 2 * self.timeout_s > due.left_s
        return None if ends else wait_s


_COLUMNS: Final = ", ".join(field.name for field in fields(Callback))
_DUE: Final = "callbacks JOIN jobs ON jobs.id = callbacks.job WHERE callbacks.status = 'pending' AND ended IS NOT NULL"


class CallbackTable:
    """Callbacks of the jobs in a database; thread-safe."""

    def __init__(self, database: JobDatabase, clock: Callable[[], Seconds]) -> None:
        """Use a database that is open.

        Args:
            database: The database.
            clock: Seconds since 1970.
        """
        self._database, self._clock = database, clock
        # The clock may have been set back since the last process: nothing waits longer than the longest wait.
        latest = clock() + _LONGEST_WAIT_S
        database.write("UPDATE callbacks SET next_attempt = min(next_attempt, ?)", (latest,), uses_reserve=True)

    def find(self, job_id: str) -> Callback | None:
        """The callback of a job; None without one."""
        rows = self._database.read(f"SELECT {_COLUMNS} FROM callbacks WHERE job = ?", (job_id,))  # noqa: S608
        return Callback(*rows[0]) if rows else None

    def count_pending(self) -> int:
        """Number of callbacks of ended jobs that are neither delivered nor failed."""
        return int(self._database.read(f"SELECT count(*) FROM {_DUE}")[0][0])  # noqa: S608

    def next_due(self) -> Seconds | None:
        """Seconds until the next attempt is due, at most 0 where one is; None where there is none."""
        [(due,)] = self._database.read(f"SELECT min(next_attempt) FROM {_DUE}")  # noqa: S608
        return None if due is None else due - self._clock()

    def begin(self, limit: int, schedule: RetrySchedule) -> list[DueCallback]:
        """Count an attempt of callbacks that are due, and return them, first the one that has waited longest.

        It is counted before it is made, so that a process that dies during attempts does not make more than allowed.

        Args:
            limit: Number of callbacks.
            schedule: When a next attempt begins if this process dies.
        """

        def begin(database: sqlite3.Connection) -> list[DueCallback]:
            now = self._clock()
            database.execute(
                "UPDATE callbacks SET status = 'failed', last_error = coalesce(last_error, ?) "
                "WHERE status = 'pending' AND attempts >= ? AND next_attempt <= ?",
                (_INTERRUPTED, schedule.attempts, now),
            )
            columns = ", ".join(f"callbacks.{name}" for name in _COLUMNS.split(", "))
            rows = database.execute(
                f"SELECT {columns}, jobs.status, jobs.ended FROM {_DUE} AND next_attempt <= ? "  # noqa: S608
                "ORDER BY next_attempt LIMIT ?",
                (now, limit),
            ).fetchall()
            return [_begin_attempt(database, Callback(*row[:-2]), row[-2], row[-1], now, schedule) for row in rows]

        return self._database.run(begin)

    def set_delivered(self, job_id: str) -> None:
        """Mark a callback as delivered."""
        statement = "UPDATE callbacks SET status = 'delivered', last_error = NULL, delivered = ? WHERE job = ?"
        self._database.write(statement, (self._clock(), job_id))

    def set_failed(self, job_id: str, error: str) -> None:
        """Mark a callback as failed: no attempt follows."""
        self._database.write(
            "UPDATE callbacks SET status = 'failed', last_error = ? WHERE job = ?", (error, job_id), uses_reserve=True
        )

    def set_waiting(self, job_id: str, error: str, wait_s: Seconds) -> None:
        """Store why an attempt failed, and after which time the next one begins."""
        statement = "UPDATE callbacks SET last_error = ?, next_attempt = ? WHERE job = ?"
        self._database.write(statement, (error, self._clock() + wait_s, job_id), uses_reserve=True)


def add_callback(database: sqlite3.Connection, job_id: str, new: NewCallback) -> None:
    """Add the callback of a job in the transaction that adds the job."""
    values = (job_id, new.url, new.root_path)
    database.execute("INSERT INTO callbacks (job, url, root_path) VALUES (?, ?, ?)", values)


def _begin_attempt(
    database: sqlite3.Connection,
    callback: Callback,
    job_status: str,
    ended: Seconds,
    now: Seconds,
    schedule: RetrySchedule,
) -> DueCallback:
    attempts = callback.attempts + 1
    next_attempt = now + schedule.timeout_s + schedule.wait_s(attempts)
    [row] = database.execute(
        f"UPDATE callbacks SET attempts = ?, next_attempt = ? WHERE job = ? RETURNING {_COLUMNS}",  # noqa: S608
        (attempts, next_attempt, callback.job),
    ).fetchall()
    return DueCallback(Callback(*row), job_status, ended, ended + schedule.keep_s - now)
