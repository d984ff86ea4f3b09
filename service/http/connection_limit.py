"""A limit of connections below the number of descriptors, so that health checks stay reachable.

uvloop accepts one connection in each iteration of the event loop, so that an aborted one releases its descriptor in
time. Connections on which nothing is being done make way for new ones: those that wait for a request or for their
turn, and WebSockets that have sent no audio yet or are being closed. Where all others are in use, further connections
are reserved ones: each gets one health response, and the oldest one makes way.
"""

import asyncio
import resource
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import service_unavailable

from alignment.timing import Seconds

RESERVED: Final = 32
"""Connections beyond the limit, on which only health checks are answered."""
_OTHER_DESCRIPTORS: Final = 64
_SCORER_DESCRIPTORS: Final = 12
_FEWEST: Final = 8
_LAST_DESCRIPTORS: Final = 8
_LOG_EVERY_S: Final = 10.0
_HEALTH: Final = ("/health/live", "/health/ready")
log = structlog.stdlib.get_logger("service.http.connection_limit")


class Connection(Protocol):
    """A connection that can be aborted."""

    transport: asyncio.Transport


class ConnectionLimit:
    """Registers the open connections: at the limit, the one that has waited longest makes way."""

    def __init__(
        self, limit: int, descriptors: int = resource.RLIM_INFINITY, clock: Callable[[], Seconds] = time.monotonic
    ) -> None:
        """Accept so many connections; the further reserved ones are in addition.

        Args:
            limit: Number of connections.
            descriptors: Number of descriptors that the process may open; connections are refused before it is reached,
                whatever uses the descriptors.
            clock: Current time.
        """
        self.limit = limit
        self._descriptors = descriptors
        self._clock = clock
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}
        self._reserved: dict[Connection, None] = {}
        self._logged = -_LOG_EVERY_S

    def admit(self, connection: Connection) -> bool:
        """Whether a new connection may be used for all requests; else for one health check."""
        descriptor = _descriptor_of(connection)
        if len(self._open) < self.limit and not self._is_scarce(descriptor, RESERVED):
            self._open.add(connection)
            return True
        self._log(descriptor)
        if self._waiting:
            self._abort_first(self._waiting)
            self._open.add(connection)
            return True
        self._reserved[connection] = None
        if len(self._reserved) > RESERVED or self._is_scarce(descriptor, 0):
            self._abort_first(self._reserved)
        return False

    def add(self, connection: Connection) -> None:
        """Register a connection in place of one that was removed, and that waits."""
        self._open.add(connection)
        self.wait(connection)

    def wait(self, connection: Connection) -> None:
        """Register that a connection waits from now on, and may make way for others."""
        self._waiting.pop(connection, None)
        if connection in self._open:
            self._waiting[connection] = None

    def leave(self, connection: Connection) -> None:
        """Register that a connection is in use."""
        self._waiting.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        """Register the end of a connection."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        self._reserved.pop(connection, None)

    def _abort_first(self, connections: dict[Connection, None]) -> None:
        oldest = next(iter(connections))
        self.remove(oldest)
        oldest.transport.abort()

    def _is_scarce(self, descriptor: int, kept: int) -> bool:
        """Whether fewer descriptors than `kept` and a few more are left; systems assign the lowest free one."""
        if self._descriptors == resource.RLIM_INFINITY:
            return False
        return descriptor >= self._descriptors - min(kept + _LAST_DESCRIPTORS, self._descriptors // 3)

    def _log(self, descriptor: int) -> None:
        now = self._clock()
        if now >= self._logged + _LOG_EVERY_S:
            self._logged = now
            used = len(self._open) + len(self._reserved) + 1
            log.warning("limit of connections reached", open=used, limit=self.limit, descriptors=descriptor)


def _descriptor_of(connection: Connection) -> int:
    """Number of the descriptor of a connection; -1 where it has ended."""
    opened: Any = connection.transport.get_extra_info("socket")
    return opened.fileno() if opened is not None else -1


class HealthOnly:
    """Responds to health checks, and to other requests with 503."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse one request."""
        # A proxy may have added a prefix.
        app: Any = self._app if scope["path"].endswith(_HEALTH) else service_unavailable
        await app(scope, receive, send)


def count_descriptors() -> int:
    """Number of descriptors that the process may open; `resource.RLIM_INFINITY` where there is no limit."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def bound_connections(configured: int, scorers: int = 0) -> int:
    """The configured number of connections, or fewer where the process may not open enough descriptors.

    Each connection may need a second descriptor, for its upload; worker processes need some for their pipes.

    Args:
        configured: Number of connections of the settings.
        scorers: Number of worker processes.
    """
    descriptors = count_descriptors()
    others = _OTHER_DESCRIPTORS + _SCORER_DESCRIPTORS * scorers
    possible = max(_FEWEST, (descriptors - others - RESERVED) // 2)
    if descriptors == resource.RLIM_INFINITY or possible >= configured:
        return configured
    log.warning("connections limited by descriptors", configured=configured, limit=possible, descriptors=descriptors)
    return possible
