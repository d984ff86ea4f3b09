"""Items that wait for a batch, taken by priority, then by arrival."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from alignment.priority import Priority, rank
from alignment.timing import Seconds

_T = TypeVar("_T")
_BACKGROUND_PART: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Queued(Generic[_T]):
    """Item with its priority and its arrival, in seconds of the queue's clock."""

    item: _T
    priority: Priority
    since: Seconds


class BatchQueue(Generic[_T]):
    """Thread-safe queue of a bounded number of items for each batch.

    Background work takes at most a quarter of a batch (one item at least) while other work waits or is part of it.
    """

    def __init__(self, max_items: int, clock: Callable[[], Seconds] = time.monotonic) -> None:
        """Queue nothing yet.

        Args:
            max_items: Largest batch.
            clock: Source of the time.
        """
        self._max_items, self._clock = max_items, clock
        self._background_items = max(1, max_items // _BACKGROUND_PART)
        self._waiting: list[Queued[_T]] = []
        # Held for the selection of a batch only: items are put into the queue in the event loop.
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: _T, priority: Priority) -> bool:
        """Queue an item; False where the queue is closed."""
        with self._changed:
            if not self._closed:
                self._waiting.append(Queued(item, priority, self._clock()))
                self._changed.notify_all()
            return not self._closed

    def take(self, batch: Sequence[Queued[_T]] = (), timeout_s: Seconds | None = None) -> list[Queued[_T]]:
        """The next items of a batch; none where the time is over, the batch is full or the queue is closed.

        Args:
            batch: Items that the batch has.
            timeout_s: Longest wait for an item; None for any time.
        """
        with self._changed:
            if len(batch) >= self._max_items:
                return []
            self._changed.wait_for(lambda: self._closed or self._waiting, timeout_s)
            taken = self._select(batch)
            self._waiting = [each for each in self._waiting if each not in taken]
            return taken

    def close(self) -> list[_T]:
        """End all waits, now and later; return the items that wait."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = self._waiting, []
            self._changed.notify_all()
            return [each.item for each in waiting]

    def _select(self, batch: Sequence[Queued[_T]]) -> list[Queued[_T]]:
        now = self._clock()
        ranked = sorted(self._waiting, key=lambda each: rank(each.priority, each.since, now))
        background_items = self._max_background([*batch, *ranked]) - sum(map(_is_background, batch))
        selected = []
        for each in ranked:
            if not _is_background(each):
                selected.append(each)
            elif background_items > 0:
                selected.append(each)
                background_items -= 1
        return selected[: self._max_items - len(batch)]

    def _max_background(self, candidates: Sequence[Queued[_T]]) -> int:
        """Largest number of background items in a batch of these candidates."""
        return self._max_items if all(map(_is_background, candidates)) else self._background_items


def _is_background(queued: Queued[_T]) -> bool:
    return queued.priority is Priority.BACKGROUND
