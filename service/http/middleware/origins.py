"""Refusal of requests that a page of another site sends through the browser of a user.

A multipart POST needs no CORS preflight, and browsers open WebSockets without one: without this check any page could
use a service that requires no key. A page whose host name resolves to this machine (DNS rebinding) is of the same
origin for the browser; only its host name differs.

Source: Fetch, Section 3.2 (Origin); Fetch Metadata (Sec-Fetch-Site); RFC 6761, Section 6.3 (localhost).
"""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import ForeignPageError
from service.http.exception_handlers import refuse
from service.observability.route_path import route_path
from service.settings import Settings

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class OriginCheck:
    """Checks the origin of requests that change something, and the host name of those over the loopback interface."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._origins = frozenset(settings.origins)
        self._hosts = frozenset(_host_name(_location(origin)) for origin in settings.origins)
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
        if self._checks_host and not route_path(scope).startswith("/health/"):
            self._check_host(scope, headers.get("host", ""))

    def _check_origin(self, headers: Headers) -> None:
        """Refuse pages of other sites; requests of programs have no origin."""
        origin = headers.get("origin")
        if not origin or origin in self._origins or headers.get("sec-fetch-site") == "same-origin":
            return
        if _location(origin) != headers.get("host"):
            raise ForeignPageError(f"the page of origin {origin[:100]!r}")

    def _check_host(self, scope: Scope, host: str) -> None:
        """Refuse names that are not of this machine, where the request arrived over the loopback interface."""
        address, _ = scope.get("server") or ("", None)
        if not host or not _is_loopback(address):
            return
        name = _host_name(host)
        if not (_is_address(name) or name == "localhost" or name.endswith(".localhost") or name in self._hosts):
            raise ForeignPageError(f"the host name {host[:100]!r}")


def _location(origin: str) -> str:
    """Host and port of an origin; "" where it is not an address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _host_name(location: str) -> str:
    """Name or address of a host with a port; "" where it is neither."""
    try:
        return (urlsplit(f"//{location}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return _is_address(name) and ip_address(name).is_loopback
