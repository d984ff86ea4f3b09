"""A limit of connections below the number of descriptors, so that health checks stay reachable."""

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
_FEWEST: Final = 8
_LOG_EVERY_S: Final = 10.0
_HEALTH: Final = ("/health/live", "/health/ready")
log = structlog.stdlib.get_logger("service.http.connection_limit")


class Connection(Protocol):
    """A connection that can be aborted."""

    transport: asyncio.Transport


class ConnectionLimit:
    """Registers the connections that wait for a request: at the limit, the one that waits longest is closed."""

    def __init__(self, limit: int, clock: Callable[[], Seconds] = time.monotonic) -> None:
        """Accept so many connections; the further reserved ones are in addition."""
        self.limit = limit
        self._clock = clock
        self._waiting: dict[Connection, None] = {}
        self._logged = -_LOG_EVERY_S

    def wait(self, connection: Connection) -> None:
        """Register a connection that waits for a request from now on."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def leave(self, connection: Connection) -> None:
        """Register that a connection has received a request, or has ended."""
        self._waiting.pop(connection, None)

    def admit(self, connections: int) -> bool:
        """Whether a new connection may be used for all requests.

        Beyond the limit, the connection that waits longest is closed in its favour. Where none waits, the new one may
        be used for health checks only.

        Args:
            connections: Number of open connections, with the new one.
        """
        if connections <= self.limit:
            return True
        self._log(connections)
        if not self._waiting:
            return False
        oldest = next(iter(self._waiting))
        self.leave(oldest)
        oldest.transport.abort()
        return True

    def _log(self, connections: int) -> None:
        now = self._clock()
        if now >= self._logged + _LOG_EVERY_S:
            self._logged = now
            log.warning("limit of connections reached", open=connections, limit=self.limit)


class HealthOnly:
    """Responds to health checks, and to other requests with 503."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse one request."""
        # A proxy may have added a prefix.
        app: Any = self._app if scope["path"].endswith(_HEALTH) else service_unavailable
        await app(scope, receive, send)


def bound_connections(configured: int) -> int:
    """The configured number of connections, or fewer where the process may not open enough descriptors.

    Each connection may need a second descriptor, for its upload.
    """
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = max(_FEWEST, (descriptors - _OTHER_DESCRIPTORS - RESERVED) // 2)
    if descriptors == resource.RLIM_INFINITY or possible >= configured:
        return configured
    log.warning("connections limited by descriptors", configured=configured, limit=possible, descriptors=descriptors)
    return possible
