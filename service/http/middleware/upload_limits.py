"""Limits of request bodies: size, duration, and number of concurrent uploads."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alignment.timing import Seconds
from service.errors import UploadsFullError, UploadTimeoutError, UploadTooLargeError
from service.exports.answers import MAX_ANSWER_BYTES
from service.http.exception_handlers import problem_response
from service.inference.places import Places
from service.observability.route_path import route_path
from service.settings import Settings


class UploadLimits:
    """Refuses a body that passes a limit: by its Content-Length, after that many bytes, or when it stalls.

    A request is admitted when its body has arrived; bodies that are still arriving are bounded here, because each needs
    disk space and a slow one needs it for long.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._default = UploadTooLargeError(settings.max_upload_bytes)
        self._limits: Mapping[str, UploadTooLargeError] = {
            "/jobs": UploadTooLargeError(
                settings.jobs.max_upload_bytes, "compress it (flac, ogg) or raise CAN_JOBS__MAX_UPLOAD_BYTES"
            ),
            "/export": UploadTooLargeError(MAX_ANSWER_BYTES, "request the recording itself with `format`"),
        }
        owner_limit = settings.owner_limit(settings.max_uploads)
        self._arriving = Places(settings.max_uploads, owner_limit, UploadsFullError)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        upload = _Upload(receive, self._limits.get(route_path(scope), self._default), self._settings)
        with ExitStack() as place:
            try:
                upload.check_length(Headers(scope=scope))
                place.enter_context(self._arriving.hold(scope.get("state", {}).get("owner", "")))
            except (UploadTooLargeError, UploadsFullError) as error:
                await problem_response(error, scope["path"])(scope, receive, send)
                return
            upload.on_complete = place.close
            await self._app(scope, upload.receive, send)


class _Upload:
    """One request body."""

    def __init__(self, receive: Receive, too_large: UploadTooLargeError, settings: Settings) -> None:
        self._receive, self._too_large = receive, too_large
        self._limit_bytes = too_large.limit_bytes
        self._idle_s, self._total_s = settings.upload_idle_s, settings.upload_s
        self._received, self._complete = 0, False
        self._deadline: Seconds = asyncio.get_running_loop().time() + settings.upload_s
        self.on_complete: Callable[[], None] = lambda: None

    def check_length(self, headers: Headers) -> None:
        """Raise when the Content-Length is over the limit.

        Raises:
            UploadTooLargeError: It is.
        """
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._limit_bytes:
            raise self._refuse()

    async def receive(self) -> Message:
        """The next part of the body.

        Raises:
            UploadTooLargeError, UploadTimeoutError: A limit is passed.
        """
        if self._complete:
            return await self._receive()
        left_s = self._deadline - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(self._idle_s, left_s)):
                message = await self._receive()
        except TimeoutError as exc:
            raise UploadTimeoutError(self._idle_s, self._total_s) from exc
        self._received += len(message.get("body", b""))
        if self._received > self._limit_bytes:
            raise self._refuse()
        if not message.get("more_body", False):
            self._complete = True
            self.on_complete()
        return message

    def _refuse(self) -> UploadTooLargeError:
        """A new error for each request: a raised one keeps its traceback."""
        return UploadTooLargeError(self._limit_bytes, self._too_large.way_out)
