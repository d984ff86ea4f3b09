"""Around every request: how large an upload may be, how long it may take, and how many may come at once."""

import asyncio
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alignment.timing import Seconds
from service.errors import UploadsFullError, UploadTimeoutError, UploadTooLargeError
from service.http.exception_handlers import problem_response
from service.settings import Settings


class UploadLimits:
    """Refuses a body past its limit: by its stated length, as soon as that many bytes came, or when it stalls.

    A place in the queue is taken when a body is there; the bodies that are on their way are bounded here, because each
    takes room on disk and a slow one takes it for long.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._limits: Mapping[str, int] = {"/jobs": settings.jobs.max_upload_bytes}
        self._coming: set[_Upload] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        upload = _Upload(receive, self._limits.get(scope["path"], self._settings.max_upload_bytes), self._settings)
        try:
            upload.check_stated(Headers(scope=scope))
            self._take_place(upload)
        except (UploadTooLargeError, UploadsFullError) as error:
            await problem_response(error, scope["path"])(scope, receive, send)
            return
        try:
            await self._app(scope, upload.receive, send)
        finally:
            self._coming.discard(upload)

    def _take_place(self, upload: "_Upload") -> None:
        if len(self._coming) >= self._settings.max_uploads:
            raise UploadsFullError(self._settings.max_uploads)
        self._coming.add(upload)
        upload.on_whole = lambda: self._coming.discard(upload)


class _Upload:
    """One body on its way."""

    def __init__(self, receive: Receive, limit_bytes: int, settings: Settings) -> None:
        self._receive, self._limit_bytes = receive, limit_bytes
        self._idle_s, self._whole_s = settings.upload_idle_s, settings.upload_s
        self._received, self._whole = 0, False
        self._last: Seconds = asyncio.get_running_loop().time() + settings.upload_s
        self.on_whole: Callable[[], None] = lambda: None

    def check_stated(self, headers: Headers) -> None:
        """Passes when the length that the client states is in bounds, or it states none.

        Raises:
            UploadTooLargeError: it is not.
        """
        stated = headers.get("content-length", "0")
        if stated.isdecimal() and int(stated) > self._limit_bytes:
            raise UploadTooLargeError(self._limit_bytes)

    async def receive(self) -> Message:
        """The next piece.

        Raises:
            UploadTooLargeError, UploadTimeoutError: a limit is passed.
        """
        if self._whole:
            return await self._receive()
        left_s = self._last - asyncio.get_running_loop().time()
        try:
            message = await asyncio.wait_for(self._receive(), min(self._idle_s, left_s))
        except TimeoutError as exc:
            raise UploadTimeoutError(self._idle_s, self._whole_s) from exc
        self._received += len(message.get("body", b""))
        if self._received > self._limit_bytes:
            raise UploadTooLargeError(self._limit_bytes)
        if not message.get("more_body", False):
            self._whole = True
            self.on_whole()
        return message
