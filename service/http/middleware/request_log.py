"""A log line, metrics and security headers for each request."""

import time
from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alignment.timing import Seconds
from service.observability.metrics import WATCHED_BY_MACHINES, Metrics
from service.observability.route_path import route_path

_SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_DEFAULT_HEADERS: Final = {
    # For API responses, which display nothing and must not be cached; the page and its files set their own.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
log = structlog.stdlib.get_logger("service.requests")


class RequestLog:
    """Logs and counts each request, and sets security headers."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(_SECURITY_HEADERS)
                for name, value in _DEFAULT_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, spent_s: Seconds) -> None:
        code = scope.get("problem_code")
        # The template of the route: paths made up by clients would create a time series each.
        path = getattr(scope.get("route"), "path", "other")
        self._metrics.count_request(scope["method"], path, status, spent_s, code)
        quiet = status < 400 and route_path(scope).startswith(WATCHED_BY_MACHINES)
        fields = {"method": scope["method"], "path": scope["path"], "status": status}
        fields |= {"code": code} if code else {}
        (log.debug if quiet else log.info)("request", **fields, duration_ms=round(spent_s * 1_000, 1))
