"""A job as it is stored, and pages of the jobs of one caller."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Final, Literal

from alignment.timing import Seconds
from service.jobs.database import JobDatabase

JobStatus = Literal["queued", "running", "done", "failed"]
CURSOR: Final = r"^[0-9]{1,12}(\.[0-9]{1,9})?_[0-9a-f]{1,32}$"
"""Pattern of the position after a page."""
MAX_PAGE: Final = 100
MAX_NAME: Final = 255
# A request may hold thousands of words, and a page many requests.
_UNREAD: Final = frozenset({"request", "warnings"})
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


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
        attempts: Processes that have begun the current window; all but the last one died.
        name: Name of the file; "" where the client sent none.
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
    attempts: int
    name: str = ""


COLUMNS: Final = ", ".join(field.name for field in fields(Job))


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a page holds.

    Attributes:
        owner: Name of the API key; "" without keys.
        limit: Number of jobs, at most 100.
        cursor: Position after the previous page; None for the first page.
        status: Status of the jobs; None for all.
    """

    owner: str = ""
    limit: int = 20
    cursor: str | None = None
    status: JobStatus | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, without the fields `request` and `warnings`; the cursor of the next page, if there is one."""

    jobs: tuple[Job, ...]
    cursor: str | None


def read_page(database: JobDatabase, wanted: JobFilter, ended_after: Seconds, hidden: Collection[str]) -> JobPage:
    """Read one page of the jobs of an owner.

    Args:
        database: The jobs.
        wanted: Which jobs.
        ended_after: Jobs that ended earlier have expired.
        hidden: Ids of jobs that are deleted, but still stored.
    """
    columns = ", ".join(f"'' AS {name}" if name in _UNREAD else name for name in COLUMNS.split(", "))
    statement = (
        f"SELECT {columns} FROM jobs WHERE owner = ? AND (ended IS NULL OR ended >= ?) "  # noqa: S608
        "AND id NOT IN (SELECT value FROM json_each(?)) AND status = coalesce(?, status) AND (created, id) < (?, ?) "
        "ORDER BY created DESC, id DESC LIMIT ?"
    )
    created, _, last_id = (wanted.cursor or "1e99_").partition("_")
    values = (wanted.owner, ended_after, json.dumps(list(hidden)), wanted.status, float(created), last_id)
    rows = database.read(statement, (*values, wanted.limit + 1))
    jobs = tuple(Job(*row) for row in rows[: wanted.limit])
    return JobPage(jobs, f"{jobs[-1].created!r}_{jobs[-1].id}" if len(rows) > wanted.limit else None)


def clean_name(name: str | None) -> str:
    """Name of an uploaded file without folders and control characters, at most 255 characters."""
    base = re.split(r"[/\\]", name or "")[-1]
    return _UNPRINTABLE.sub("", base)[-MAX_NAME:]
