"""The prefix under which a proxy serves the application: from the settings, or from a trusted proxy.

A proxy may remove the prefix before it forwards a request, or keep it: both forms are accepted. The ASGI scope then has
`root_path` and a `path` that begins with it, so that Starlette builds redirects, and FastAPI the servers of the OpenAPI
document, with the prefix.

Source: https://asgi.readthedocs.io/en/latest/specs/www.html (root_path); X-Forwarded-Prefix as Traefik sends it.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.observability.route_path import KEY

_HEADER: Final = "x-forwarded-prefix"
# Two slashes at the beginning would be the name of another host.
_PREFIX: Final = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+){1,16}/?")
_LONGEST: Final = 200
_CONNECTIONS: Final = frozenset({"http", "websocket"})
_PERMANENT_REDIRECT: Final = 308


class RootPath:
    """Adds the prefix to a scope, and redirects the prefix itself to the page, whose addresses are relative."""

    def __init__(self, app: ASGIApp, root_path: str = "") -> None:
        """Use a prefix, or that of the scope where it is empty."""
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request or connection."""
        if scope["type"] in _CONNECTIONS:
            prefix = self._root_path or scope.get("root_path", "").rstrip("/")
            if prefix and scope["path"] == prefix and scope["type"] == "http":
                await RedirectResponse(f"{prefix}/", _PERMANENT_REDIRECT)(scope, receive, send)
                return
            _add_prefix(scope, prefix)
        await self._app(scope, receive, send)


def _add_prefix(scope: Scope, prefix: str) -> None:
    path: str = scope["path"]
    scope["root_path"] = prefix
    if path.startswith(f"{prefix}/"):
        scope[KEY] = path.removeprefix(prefix)
        return
    scope[KEY] = path
    scope["path"] = f"{prefix}{path}"
    if "raw_path" in scope:
        scope["raw_path"] = prefix.encode() + scope["raw_path"]


class TrustedProxies:
    """Applies the X-Forwarded-* headers of trusted proxies: scheme, address of the client, and prefix."""

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        """Trust these addresses and networks; `*` is every peer."""
        self._app: Any = ProxyHeadersMiddleware(app, list(trusted))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request or connection."""
        client = scope.get("client")
        if scope["type"] in _CONNECTIONS and client and client[0] in self._app.trusted_hosts:
            scope["root_path"] = _read_prefix(Headers(scope=scope)) or scope.get("root_path", "")
        await self._app(scope, receive, send)


def _read_prefix(headers: Headers) -> str:
    """Prefix of a header; "" where it is missing or is not a path."""
    value = headers.get(_HEADER, "")
    return value.rstrip("/") if len(value) <= _LONGEST and _PREFIX.fullmatch(value) else ""
