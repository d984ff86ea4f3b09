"""Responses as files over HTTP: media types, names of files, warnings, and conversion in a thread."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response

from can_ser_client.schemas import PredictOut
from service.exports.formats import FORMATS, ExportRequest, name_export, write_export
from service.http.lifecycle import AppState
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


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A response as a file.

    Attributes:
        content: The file.
        warnings: Warnings of the response, which most files have no place for.
    """

    content: bytes
    warnings: Sequence[str]


def write_file(response: PredictOut, export: ExportRequest, name: str) -> WrittenFile:
    """A response as a file, with its warnings."""
    return WrittenFile(write_export(response, export, name), response.warnings)


async def export_response(written: Awaitable[WrittenFile], export: ExportRequest, name: str) -> Response:
    """The response for a file.

    Args:
        written: The file.
        export: Its format.
        name: Name of the recording, from which that of the file is made.
    """
    file = await written
    encoded = quote(name_export(name, export), errors="replace")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{encoded}", **warning_headers(file.warnings)}
    return Response(file.content, headers=headers, media_type=FORMATS[export.format].media_type)


async def convert(state: AppState, read: Callable[[], PredictOut], export: ExportRequest, name: str) -> WrittenFile:
    """A response as a file, read and written in a thread; a few are written at once, further ones wait.

    Raises:
        Errors of `read`.
    """
    async with state.conversions:
        return await asyncio.to_thread(lambda: write_file(read(), export, name))
