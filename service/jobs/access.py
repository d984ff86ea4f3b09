"""The store of jobs in a thread of its own: opened when it is needed, and opened again where its folder was replaced.

SQLite waits for other processes, and a disk may be slow; the event loop must not wait with them.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import structlog

from alignment.timing import Seconds
from service.errors import JobsUnavailableError, NotReadyError
from service.jobs.store import JobStore

_T = TypeVar("_T")
_RETRY_S: Final[Seconds] = 5.0
_START_S: Final[Seconds] = 5.0
log = structlog.stdlib.get_logger("service.jobs.access")


class StoreAccess:
    """Calls of the store, one after the other; a failure to open it is remembered for 5 s."""

    def __init__(self, folder: Path, keep_s: Seconds) -> None:
        """Access no disk yet."""
        self._folder, self._keep_s = folder, keep_s
        self._thread = ThreadPoolExecutor(1, "jobs")
        self._store: JobStore | None = None
        self._failure: JobsUnavailableError | None = None
        self._retry_at = 0.0
        self._closed = False

    @property
    def is_open(self) -> bool:
        """Whether the store is open."""
        return self._store is not None

    @property
    def trouble(self) -> str:
        """Why the store cannot be opened; empty where it can, or has not been needed yet."""
        return str(self._failure or "")

    async def check(self) -> None:
        """Open the store, so that no other process can use its folder; a failure is logged, and becomes `trouble`.

        A disk that does not respond delays the start by some seconds only.
        """
        opening = asyncio.get_running_loop().run_in_executor(self._thread, self._check)
        done, _ = await asyncio.wait([opening], timeout=_START_S)
        for each in done:
            each.result()

    async def call(self, work: Callable[[JobStore], _T]) -> _T:
        """Result of `work` on the open store.

        Raises:
            JobsUnavailableError: The folder cannot be used, now or at the last attempt less than 5 s ago.
            NotReadyError: The service is stopping.
        """
        if self._closed:
            raise NotReadyError("the service is stopping")
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(self._open()))

    async def close(self) -> None:
        """Requeue running jobs and release the folder."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._release)
        self._thread.shutdown(wait=False)

    def _check(self) -> None:
        with suppress(JobsUnavailableError):
            self._open()

    def _open(self) -> JobStore:
        if self._store is not None and not self._store.is_current:
            log.error("folder of jobs was removed or replaced; its jobs are lost", folder=str(self._folder))
            self._release()
        if self._store is not None:
            return self._store
        if self._failure is not None and time.monotonic() < self._retry_at:
            raise JobsUnavailableError(self._failure.folder, self._failure.reason, self._failure.way_out)
        try:
            self._store = JobStore(self._folder, self._keep_s)
        except JobsUnavailableError as error:
            self._remember(error)
            raise
        self._failure = None
        return self._store

    def _remember(self, error: JobsUnavailableError) -> None:
        if self.trouble != str(error):
            log.warning("jobs cannot be stored", folder=str(self._folder), detail=str(error))
        self._failure, self._retry_at = error, time.monotonic() + _RETRY_S

    def _release(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
