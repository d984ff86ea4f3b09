"""Around every request: a log line, security headers, and a limit on the body while it streams in."""

import time
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BusyError, NotReadyError, UploadTooLargeError
from service.lifecycle import Lifecycle
from service.problems import problem_response

_SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
log = structlog.stdlib.get_logger("service.requests")


class RequestLog:
    """Logs method, path, status and time of each request, and sets security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
                MutableHeaders(scope=message).update(_SECURITY_HEADERS)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            spent_ms = round((time.perf_counter() - started) * 1_000, 1)
            quiet = scope["path"].startswith("/health/") and status < 400
            level = log.debug if quiet else log.info
            level("request", method=scope["method"], path=scope["path"], status=status, duration_ms=spent_ms)


class Admission:
    """Refuses recordings before their bytes are read, while the service is not ready or has no place."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle) -> None:
        self._app = app
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on."""
        if scope["type"] == "http" and scope["method"] == "POST":
            try:
                self._lifecycle.require_ready()
                self._lifecycle.stages.refuse_when_busy()
            except (NotReadyError, BusyError) as error:
                log.warning("refused", error=type(error).__name__, path=scope["path"])
                await problem_response(error, scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)


class UploadLimit:
    """Refuses a body past the limit: by its stated length, or as soon as that many bytes have come."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = Headers(scope=scope).get("content-length", "0")
        if stated.isdecimal() and int(stated) > self._limit_bytes:
            await problem_response(UploadTooLargeError(self._limit_bytes), scope["path"])(scope, receive, send)
            return
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise UploadTooLargeError(self._limit_bytes)
            return message

        await self._app(scope, count, send)
