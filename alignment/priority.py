"""Priorities of work that shares models and processes: live speech, then requests, then background work."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from alignment.timing import Seconds

PATIENCE_S: Final[Seconds] = 5.0
"""Background work that has waited for so long is treated as a request, so that it never waits for ever."""


class Priority(IntEnum):
    """Order in which waiting work is started; smaller values first."""

    LIVE = 0
    REQUEST = 1
    BACKGROUND = 2


_current: Final[ContextVar[Priority]] = ContextVar("priority", default=Priority.REQUEST)


@contextmanager
def at_priority(priority: Priority) -> Iterator[None]:
    """Run the block, in this thread or task, at a priority."""
    token = _current.set(priority)
    try:
        yield
    finally:
        _current.reset(token)


def current_priority() -> Priority:
    """Priority of this thread or task; that of a request where none was set."""
    return _current.get()


def rank(priority: Priority, since: Seconds, now: Seconds) -> tuple[Priority, Seconds]:
    """Sort key of waiting work: by priority, then by arrival; background work becomes a request after `PATIENCE_S`.

    Args:
        priority: Its priority.
        since: Its arrival, in seconds of any clock.
        now: The present time of that clock.
    """
    patient = now - since < PATIENCE_S
    return (priority if patient else min(priority, Priority.REQUEST), since)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    priority: Priority
    since: Seconds
    grant: Callable[[], None]


class PrioritySlots:
    """A number of slots, granted by priority, then by arrival, to threads and to tasks of an event loop.

    Background work leaves one slot free, if there is more than one: other work then starts without waiting for it.
    """

    def __init__(self, count: int, clock: Callable[[], Seconds] = time.monotonic) -> None:
        """Grant no slot yet.

        Args:
            count: Number of slots.
            clock: Source of the time.
        """
        self._count, self._clock = count, clock
        self._background_count = max(1, count - 1)
        self._taken: list[Priority] = []
        self._waiting: list[_Waiting] = []
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """Number of threads and tasks that wait for a slot."""
        return len(self._waiting)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot for the duration of the block, at the priority of this thread."""
        release = self.acquire()
        try:
            yield
        finally:
            release()

    def acquire(self) -> Callable[[], None]:
        """Wait in this thread, at its priority; return the function that releases the slot, from any thread."""
        granted = threading.Event()
        own = self._enter(current_priority(), granted.set)
        granted.wait()
        return lambda: self._release(own.priority)

    async def acquire_in_loop(self, priority: Priority) -> Callable[[], None]:
        """As `acquire`, without blocking the event loop; cancellation gives the place or the slot back."""
        loop = asyncio.get_running_loop()
        granted = asyncio.Event()

        def grant() -> None:
            loop.call_soon_threadsafe(granted.set)

        own = self._enter(priority, grant)
        try:
            await granted.wait()
        except asyncio.CancelledError:
            self._leave(own)
            raise
        return lambda: self._release(own.priority)

    def _enter(self, priority: Priority, grant: Callable[[], None]) -> _Waiting:
        own = _Waiting(priority, self._clock(), grant)
        with self._lock:
            self._waiting.append(own)
            self._grant()
        return own

    def _leave(self, own: _Waiting) -> None:
        with self._lock:
            if own in self._waiting:
                self._waiting.remove(own)
                return
        self._release(own.priority)

    def _release(self, priority: Priority) -> None:
        with self._lock:
            self._taken.remove(priority)
            self._grant()

    def _grant(self) -> None:
        """Grant free slots, one after the other."""
        while len(self._taken) < self._count and (able := [each for each in self._waiting if self._may_start(each)]):
            now = self._clock()
            first = min(able, key=lambda each: rank(each.priority, each.since, now))
            self._waiting.remove(first)
            self._taken.append(first.priority)
            first.grant()

    def _may_start(self, waiting: _Waiting) -> bool:
        return (
            waiting.priority is not Priority.BACKGROUND
            or self._taken.count(Priority.BACKGROUND) < self._background_count
        )
