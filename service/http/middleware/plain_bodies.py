"""Refusal of compressed bodies, before they are read."""

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import EncodedBodyError
from service.http.exception_handlers import refuse

_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class PlainBodies:
    """Refuses requests whose body has a Content-Encoding, on every path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse one request."""
        if scope["type"] == "http" and scope["method"] not in _WITHOUT_BODY:
            encoding = Headers(scope=scope).get("content-encoding", "").strip().lower()
            if encoding not in ("", "identity"):
                await refuse(EncodedBodyError(encoding), scope, receive, send)
                return
        await self._app(scope, receive, send)
