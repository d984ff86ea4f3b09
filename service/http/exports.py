"""Responses as files over HTTP: media types, names of files, warnings, and conversion in a thread."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from alignment.memory import return_memory
from can_ser_client.schemas import PredictOut
from service.exports.conversion import LARGE_BYTES, Conversion, WrittenFile
from service.exports.formats import FORMATS, ExportRequest, name_export
from service.http.lifecycle import AppState
from service.http.sending import send_in_time
from service.http.warning_header import NAME, warning_headers

EXPORTS: Final[dict[str, Any]] = {
    info.media_range: {"schema": {"type": "string", "contentMediaType": info.media_range}} for info in FORMATS.values()
}
"""OpenAPI content of a response that may be any of the files."""
WARNING_HEADER: Final[dict[str, Any]] = {
    NAME: {"description": "Warnings, where there are any: a JSON array of strings.", "schema": {"type": "string"}}
}
"""OpenAPI description of the header."""
EXPORT_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": EXPORTS, "headers": WARNING_HEADER}}
_PIECE_BYTES: Final = 65_536


async def export_response(written: Awaitable[WrittenFile], export: ExportRequest, name: str) -> Response:
    """The response for a file.

    Args:
        written: The file.
        export: Its format.
        name: Name of the recording, from which that of the file is made.
    """
    file = await written
    headers = _describe(export, name) | warning_headers(file.warnings)
    return Response(file.content, headers=headers, media_type=FORMATS[export.format].media_type)


def _describe(export: ExportRequest, name: str) -> dict[str, str]:
    encoded = quote(name_export(name, export), errors="replace")
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{encoded}"}


class ExportResponse(Response):
    """A file that is written when the response is sent, which takes a place until its client has read it.

    Errors of reading and writing, and that of a missing place, become problem documents.
    """

    def __init__(
        self,
        place: AbstractContextManager[None],
        write: Callable[[], Awaitable[WrittenFile]],
        export: ExportRequest,
        name: str,
    ) -> None:
        """Write nothing yet.

        Args:
            place: Held until the client has read the file, or the limit of `send_in_time`.
            write: Writes the file, see `convert`.
            export: Its format.
            name: Name of the recording, from which that of the file is made.
        """
        super().__init__(headers=_describe(export, name), media_type=FORMATS[export.format].media_type)
        self._place, self._write = place, write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write and send the file, as fast as the client reads."""
        with self._place:
            file = await self._write()
            is_large = len(file.content) > LARGE_BYTES
            headers = dict(self.headers) | {"content-length": str(len(file.content))} | warning_headers(file.warnings)
            response = StreamingResponse(_cut(file.content), headers=headers)
            del file
            try:
                await send_in_time(response, scope, receive, send)
            finally:
                del response
                if is_large:
                    # In a thread; without waiting, because the request may have been cancelled.
                    asyncio.get_running_loop().run_in_executor(None, return_memory)


async def _cut(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE_BYTES):
        yield content[start : start + _PIECE_BYTES]


async def convert(
    state: AppState,
    load: Callable[[], Awaitable[bytes]],
    read: Callable[[bytes], PredictOut],
    export: ExportRequest,
    name: str,
) -> WrittenFile:
    """A response as a file, apart from the event loop; a few are written at once, further ones wait.

    Args:
        state: State of the application.
        load: Loads the JSON of the response.
        read: Reads it; a function of a module.
        export: Format of the file.
        name: Name of the recording.

    Raises:
        Errors of `load` and `read`.
    """
    data = await load()
    async with state.conversions:
        return await state.converter.convert(Conversion(data, read, export, name))
