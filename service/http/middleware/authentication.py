"""Around every request: who may ask, and from which pages."""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import RateLimitedError, WrongKeyError
from service.http.exception_handlers import problem_response
from service.http.middleware.keys import KeyRing, RequestRate
from service.settings import Settings

_OPEN: Final = ("/health/", "/static/", "/docs", "/openapi.json")
_POLICY_VIOLATION: Final = 1008


class Access:
    """Checks the key of whatever is neither a health check nor the page nor the documentation."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._ring = KeyRing(settings.api_keys)
        self._rate = RequestRate(settings.key_requests_per_minute)
        self._origins = frozenset(settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request or connection on."""
        if scope["type"] not in {"http", "websocket"} or scope["path"] == "/" or scope["path"].startswith(_OPEN):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except (WrongKeyError, RateLimitedError) as error:
            if scope["type"] == "http":
                await problem_response(error, scope["path"])(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if scope["type"] == "websocket":
            self._check_origin(headers)
        elif scope["method"] == "OPTIONS":
            return
        owner = self._ring.identify(headers)
        scope.setdefault("state", {})["owner"] = owner
        if scope["type"] == "websocket" or scope["method"] == "POST":
            self._rate.note(owner)

    def _check_origin(self, headers: Headers) -> None:
        """A page of another site may open a WebSocket without asking: browsers leave the check to the server."""
        origin = headers.get("origin")
        if origin and origin not in self._origins and _host_of(origin) != headers.get("host"):
            raise WrongKeyError()


def _host_of(origin: str) -> str:
    """Host and port; "" of what is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
