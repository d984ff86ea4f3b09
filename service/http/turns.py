"""Turns of pipelined requests: they leave the event loop and the interpreter to other requests."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

_AT_ONCE: Final = 2
_PAUSE_S: Final = 0.002


class Turns:
    """Starts pipelined requests of all connections in order, at most 1,000 per second."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._running = False

    def add(self, start: Callable[[], None]) -> None:
        """Start a request in its turn."""
        self._waiting.append(start)
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_later(_PAUSE_S, self._run)

    def _run(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            self._waiting.popleft()()
        self._running = bool(self._waiting)
        if self._running:
            asyncio.get_running_loop().call_later(_PAUSE_S, self._run)
