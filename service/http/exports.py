"""Responses as files over HTTP: media types, names of files, and conversion in a thread."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response

from can_ser_client.schemas import PredictOut
from service.exports.formats import FORMATS, ExportRequest, name_export, write_export
from service.http.lifecycle import AppState

EXPORTS: Final[dict[str, Any]] = {
    info.media_range: {"schema": {"type": "string", "contentMediaType": info.media_range}} for info in FORMATS.values()
}
"""OpenAPI content of a response that may be any of the files."""
EXPORT_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": EXPORTS}}


async def export_response(content: Awaitable[bytes], export: ExportRequest, name: str) -> Response:
    """The response for a file.

    Args:
        content: The file.
        export: Its format.
        name: Name of the recording, from which that of the file is made.
    """
    encoded = quote(name_export(name, export), errors="replace")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{encoded}"}
    return Response(await content, headers=headers, media_type=FORMATS[export.format].media_type)


async def convert(state: AppState, read: Callable[[], PredictOut], export: ExportRequest, name: str) -> bytes:
    """A response as a file, read and written in a thread; a few are written at once, further ones wait.

    Raises:
        Errors of `read`.
    """
    async with state.conversions:
        return await asyncio.to_thread(lambda: write_export(read(), export, name))
