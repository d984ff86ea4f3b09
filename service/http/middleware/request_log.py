"""Around every request: a log line, security headers, and a refusal while there is no place."""

import time
from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alignment.timing import Seconds
from service.errors import BusyError, NotReadyError
from service.http.exception_handlers import problem_response
from service.http.lifecycle import AppState
from service.observability.metrics import Metrics

_SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_UNLESS_SAID: Final = {
    # The page and its files have a policy of their own; an answer shows nothing, and is nobody else's to keep.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
WATCHED_BY_MACHINES: Final = ("/health/", "/metrics")
log = structlog.stdlib.get_logger("service.requests")


class RequestLog:
    """Logs and counts each request, and sets security headers."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(_SECURITY_HEADERS)
                for name, value in _UNLESS_SAID.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, spent_s: Seconds) -> None:
        code = scope.get("problem_code")
        # The template of a route, because addresses that clients make up would fill the metrics.
        path = getattr(scope.get("route"), "path", "other")
        self._metrics.count_request(scope["method"], path, status, spent_s, code)
        quiet = status < 400 and scope["path"].startswith(WATCHED_BY_MACHINES)
        facts = {"method": scope["method"], "path": scope["path"], "status": status}
        facts |= {"code": code} if code else {}
        (log.debug if quiet else log.info)("request", **facts, duration_ms=round(spent_s * 1_000, 1))


class Admission:
    """Refuses recordings before their bytes are read, while the service is not ready or has no place."""

    def __init__(self, app: ASGIApp, lifecycle: AppState) -> None:
        self._app = app
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on."""
        if scope["type"] == "http" and scope["method"] == "POST":
            try:
                self._lifecycle.require_ready()
                if scope["path"] != "/jobs":
                    self._lifecycle.stages.refuse_when_busy()
            except (NotReadyError, BusyError) as error:
                log.warning("refused", error=type(error).__name__, path=scope["path"])
                await problem_response(error, scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)
