"""Early refusal of recordings, before their bytes are read."""

from typing import Final

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import BusyError, NotReadyError
from service.http.exception_handlers import problem_response
from service.http.lifecycle import AppState
from service.observability.route_path import route_path

_WITHOUT_ANALYSIS: Final = frozenset({"/jobs", "/export"})
"""Paths whose requests are not analysed at once."""
log = structlog.stdlib.get_logger("service.http.middleware.admission")


class EarlyAdmission:
    """Refuses recordings while the models are not ready or the limit of requests is reached."""

    def __init__(self, app: ASGIApp, state: AppState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse one request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            try:
                self._state.require_ready()
                if route_path(scope) not in _WITHOUT_ANALYSIS:
                    self._state.scheduler.admission.require_capacity()
                    self._state.requests.require(scope.get("state", {}).get("owner", ""))
            except (NotReadyError, BusyError) as error:
                log.warning("request refused", error=type(error).__name__, path=scope["path"])
                await problem_response(error, scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)
