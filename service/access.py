"""Around every request: who may ask, from which pages, and how long an upload may take."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import RateLimitedError, UploadTimeoutError, UploadTooLargeError, WrongKeyError
from service.keys import KeyRing, RequestRate
from service.problems import problem_response
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
        if origin and origin not in self._origins and urlsplit(origin).netloc != headers.get("host"):
            raise WrongKeyError()


class UploadLimits:
    """Refuses a body past its limit: by its stated length, as soon as that many bytes came, or when it stalls."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._idle_s, self._whole_s = settings.upload_idle_s, settings.upload_s
        self._limits: Mapping[str, int] = {"/jobs": settings.jobs.max_upload_bytes}
        self._limit_bytes = settings.max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit_bytes = self._limits.get(scope["path"], self._limit_bytes)
        stated = Headers(scope=scope).get("content-length", "0")
        if stated.isdecimal() and int(stated) > limit_bytes:
            await problem_response(UploadTooLargeError(limit_bytes), scope["path"])(scope, receive, send)
            return
        await self._app(scope, self._watched(receive, limit_bytes), send)

    def _watched(self, receive: Receive, limit_bytes: int) -> Receive:
        received, whole = 0, False
        loop = asyncio.get_running_loop()
        last = loop.time() + self._whole_s

        async def watch() -> Message:
            nonlocal received, whole
            if whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), min(self._idle_s, last - loop.time()))
            except TimeoutError as exc:
                raise UploadTimeoutError(self._idle_s, self._whole_s) from exc
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if received > limit_bytes:
                raise UploadTooLargeError(limit_bytes)
            return message

        return watch
