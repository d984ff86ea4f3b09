"""Turns of requests: they leave the event loop and the interpreter to others."""

import asyncio
from collections import deque
from collections.abc import Callable

from alignment.timing import Seconds


class Turns:
    """Starts requests of all connections in order, at a limited rate.

    Attributes:
        per_s: Highest number of requests per second.
    """

    def __init__(self, at_once: int, pause_s: Seconds) -> None:
        """Start nothing yet.

        Args:
            at_once: Requests that start in one turn.
            pause_s: Time before each turn.
        """
        self.per_s = at_once / pause_s
        self._at_once, self._pause_s = at_once, pause_s
        self._waiting: deque[Callable[[], None]] = deque()
        self._running = False

    def add(self, start: Callable[[], None]) -> None:
        """Start a request in its turn."""
        self._waiting.append(start)
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_later(self._pause_s, self._run)

    def _run(self) -> None:
        for _ in range(min(self._at_once, len(self._waiting))):
            self._waiting.popleft()()
        self._running = bool(self._waiting)
        if self._running:
            asyncio.get_running_loop().call_later(self._pause_s, self._run)


def pipelined_turns() -> Turns:
    """Turns of pipelined requests: 1,000 per second."""
    return Turns(at_once=2, pause_s=0.002)


def handshake_turns() -> Turns:
    """Turns of handshakes of WebSockets: 100 per second."""
    return Turns(at_once=1, pause_s=0.01)
