"""Budgets of what a live connection sends: numbers that recover with time."""

import asyncio
from time import monotonic

from alignment.timing import Seconds


class FrameBudget:
    """Number of frames or messages that a client may still send; it recovers with time."""

    def __init__(self, limit: int, per_s: float, now_s: Seconds) -> None:
        self._limit, self._per_s = limit, per_s
        self._left: float = limit
        self._since = now_s

    def spend(self, frames: int, now_s: Seconds) -> bool:
        """Subtract so many frames; False where the budget is exhausted."""
        self._left = min(self._limit, self._left + self._per_s * (now_s - self._since)) - frames
        self._since = now_s
        return self._left >= 0

    @property
    def missing_s(self) -> Seconds:
        """Time until the budget is no longer exhausted, from the last call of `spend`."""
        return max(0.0, -self._left / self._per_s)


class Pace:
    """A budget beyond which messages wait, so that a client that sends faster than real time loses nothing."""

    def __init__(self, limit: int, per_s: float) -> None:
        """Start with the whole budget."""
        self._budget = FrameBudget(limit, per_s, monotonic())

    async def wait(self) -> None:
        """Count a message, and wait while the budget is exhausted."""
        if not self._budget.spend(1, monotonic()):
            await asyncio.sleep(self._budget.missing_s)
