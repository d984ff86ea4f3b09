"""Timeouts of connections whose client sends or reads nothing, which uvicorn leaves to a proxy."""

import asyncio
from typing import Any

import structlog

from alignment.timing import Seconds

log = structlog.stdlib.get_logger("service.http.timeouts")


class Timer:
    """Aborts a connection after a timeout."""

    def __init__(self, waiting_for: str) -> None:
        self._waiting_for = waiting_for
        self._handle: asyncio.TimerHandle | None = None

    def start(self, transport: asyncio.Transport, limit_s: Seconds) -> None:
        """Start or restart."""
        self.stop()
        self._handle = asyncio.get_running_loop().call_later(limit_s, self._abort, transport)

    def stop(self) -> None:
        """Stop without aborting."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _abort(self, transport: asyncio.Transport) -> None:
        log.info("connection aborted", waiting_for=self._waiting_for)
        # Closing would wait until the written data has been read.
        transport.abort()


class ReadTimeout(asyncio.Protocol):
    """Mixin for protocols of uvicorn: aborts connections whose client does not read.

    Attributes:
        idle_s: Longest wait for the client to read.
        content: What the client should read, for the log.
        transport: Transport of the protocol.
    """

    idle_s: Seconds = 20.0
    content = "a response"
    transport: asyncio.Transport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reader = Timer(f"the client to read {self.content}")

    def pause_writing(self) -> None:
        """Start the timeout when the write buffer is full."""
        super().pause_writing()
        self._reader.start(self.transport, self.idle_s)

    def resume_writing(self) -> None:
        """Stop the timeout when the buffer has been read."""
        self._reader.stop()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout."""
        self._reader.stop()
        super().connection_lost(exc)
