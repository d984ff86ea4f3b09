"""Refusal of requests that a page of another site sends through the browser of a user.

A multipart POST needs no CORS preflight, and browsers open WebSockets without one: without this check any page could
use a service that requires no key. Pages of the same origin are those at the names of `service.http.middleware.hosts`.

Source: Fetch, Section 3.2 (Origin); Fetch Metadata (Sec-Fetch-Site).
"""

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import ForeignPageError
from service.http.exception_handlers import refuse
from service.http.middleware.hosts import HostNames, read_authority
from service.observability.metrics import WATCHED_BY_MACHINES
from service.observability.route_path import route_path
from service.settings import Settings

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class OriginCheck:
    """Checks the origin of requests that change something, and, where no key is required, the host name of all."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._origins = frozenset(settings.origins)
        self._hosts = HostNames(settings.allowed_hosts, settings.origins)
        # A page without a key can do nothing with a name of its own.
        self._checks_host = not settings.api_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse one request or connection."""
        if scope["type"] in {"http", "websocket"}:
            try:
                self._check(scope)
            except ForeignPageError as error:
                await refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS:
            self._check_origin(headers)
        # Monitoring has names of its own, and its responses hold counts and times only.
        if self._checks_host and not route_path(scope).startswith(WATCHED_BY_MACHINES):
            self._check_host(scope, headers)

    def _check_origin(self, headers: Headers) -> None:
        """Refuse pages of other sites; requests of programs have no origin."""
        origin = headers.get("origin")
        if not origin or origin in self._origins or headers.get("sec-fetch-site") == "same-origin":
            return
        if read_authority(origin) != headers.get("host"):
            raise ForeignPageError(f"the page of origin {origin[:100]!r}", "its origin in CAN_ORIGINS")

    def _check_host(self, scope: Scope, headers: Headers) -> None:
        """Refuse names that a page may have chosen; browsers always send one."""
        host = headers.get("host", "")
        address, _ = scope.get("server") or ("", None)
        if host and not self._hosts.accept(host, headers.get("origin", ""), address or ""):
            raise ForeignPageError(f"a page at the host name {host[:100]!r}", "the name in CAN_ALLOWED_HOSTS")
