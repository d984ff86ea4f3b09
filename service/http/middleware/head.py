"""HEAD for every address that GET has: the same status and headers, without a body."""

from typing import Final

from anyio import CancelScope
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FROM_ROUTES: Final = frozenset({"route", "problem_code"})


class HeadAsGet:
    """Forwards HEAD as GET, and ends it when the headers have been sent, so that no body is produced.

    It is the innermost middleware: log, metrics and the server see HEAD.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        as_get = dict(scope, method="GET")

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.start":
                return
            await send(message)
            await send({"type": "http.response.body", "body": b""})
            work.cancel()

        with CancelScope() as work:
            await self._app(as_get, receive, send_head)
        scope.update({name: as_get[name] for name in _FROM_ROUTES & as_get.keys()})
