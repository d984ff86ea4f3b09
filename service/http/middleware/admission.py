"""Early refusal of recordings, before their bytes are read."""

from typing import Final

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import BusyError, JobsFullError, JobsUnavailableError, NotReadyError
from service.http.exception_handlers import problem_response
from service.http.lifecycle import AppState
from service.observability.route_path import route_path

_EXPORT: Final = "/export"
_JOBS: Final = "/jobs"
log = structlog.stdlib.get_logger("service.http.middleware.admission")


class EarlyAdmission:
    """Refuses recordings while the models are not ready, or the limit of requests or of jobs is reached."""

    def __init__(self, app: ASGIApp, state: AppState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse one request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            try:
                self._state.require_ready()
                await self._require_capacity(route_path(scope), scope.get("state", {}).get("owner", ""))
            except (NotReadyError, BusyError, JobsFullError, JobsUnavailableError) as error:
                log.warning("request refused", error=type(error).__name__, path=scope["path"])
                await problem_response(error, scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _require_capacity(self, path: str, owner: str) -> None:
        """Raise where the request would be refused after its body too; several recordings are counted then."""
        if path == _JOBS:
            await self._state.require_job_capacity(owner)
        elif path != _EXPORT:
            self._state.scheduler.admission.require_capacity()
            self._state.requests.require(owner)
