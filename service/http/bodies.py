"""Bodies of requests with a recording: multipart forms, also those of unusual clients, and the recording alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, cast

from fastapi import HTTPException, Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from service.errors import MalformedFormError

FILE: Final = "file"
FORM_TYPE: Final = "multipart/form-data"
RAW_TYPES: Final = ("audio/*", "video/*", "application/octet-stream")
_RAW_PREFIXES: Final = ("audio/", "video/", "application/octet-stream", "application/ogg", "application/mp4")
# More than there are, so that a wrong field gets a message of its own; every text is held in memory.
_MAX_FIELDS: Final = 16
_MAX_FILES: Final = 8
_MAX_TEXT_BYTES: Final = 1_048_576
SEVERAL_WAY_OUT: Final = (
    "send one recording to /predict, or fewer at once to /jobs; the limit there is CAN_JOBS__MAX_FILES"
)
_IN_MEMORY_BYTES: Final = MultiPartParser.spool_max_size


def is_raw(http: Request) -> bool:
    """Whether the body is the recording itself.

    Programs that send a file without a form often set no type; a body of another type is refused by `read_form`.
    """
    kind = _type_of(http)
    return not kind or kind.startswith(_RAW_PREFIXES)


def _type_of(http: Request) -> str:
    return http.headers.get("content-type", "").split(";")[0].strip().lower()


async def read_form(http: Request, max_files: int = 1) -> FormData:
    """Read a multipart form.

    Args:
        http: The HTTP request.
        max_files: Files that the request may contain; a few more are read, for a message of their own.

    Raises:
        MalformedFormError: The body is of another type.
        HTTPException: The body is not a form.
        UnicodeError: Its charset cannot be read.
        OSError: The disk has no space for a file.
    """
    if _type_of(http) != FORM_TYPE:
        raise MalformedFormError(
            f"a body of the type `{_type_of(http)[:100]}` is no form and no recording",
            "send a multipart form (curl -F file=@speech.wav …), or the recording with its type (curl --data-binary "
            "@speech.wav -H 'Content-Type: audio/wav' …)",
        )
    limit = max(max_files + 1, _MAX_FILES)
    parser = _FormParser(
        http.headers, http.stream(), max_fields=_MAX_FIELDS, max_files=limit, max_part_size=_MAX_TEXT_BYTES
    )
    try:
        return await parser.parse()
    except MultiPartException as exc:
        if exc.message.startswith("Too many files"):
            raise MalformedFormError(f"the form has more than {limit} files", SEVERAL_WAY_OUT) from exc
        raise HTTPException(400, exc.message) from exc


@asynccontextmanager
async def read_recording(http: Request) -> AsyncIterator[UploadFile]:
    """Read a body that is a recording; large ones are stored in a temporary file, which is deleted on leaving.

    Raises:
        OSError: The disk has no space for it.
    """
    with SpooledTemporaryFile(_IN_MEMORY_BYTES) as spool:
        upload = UploadFile(cast("BinaryIO", spool), size=0, headers=http.headers)
        async for piece in http.stream():
            await upload.write(piece)
        await upload.seek(0)
        yield upload


class _FormParser(MultiPartParser):
    """Parser that also accepts a file whose part has only `filename*`, or only a type.

    RFC 7578 forbids `filename*` in forms, and Starlette therefore ignores it; libraries send it nevertheless for names
    with other letters than those of ASCII, and others send no name.
    """

    def on_headers_finished(self) -> None:
        """Give a file a name where it has none, so that it is read as a file."""
        part = self._current_part
        disposition, headers = part.content_disposition or b"", dict(part.item_headers)
        # Most parts are plain text, or have a plain name, and are read by Starlette alone.
        if b"filename*" in disposition or (b"content-type" in headers and b"filename" not in disposition):
            self._name_part(disposition, headers)
        super().on_headers_finished()

    def _name_part(self, disposition: bytes, headers: dict[bytes, bytes]) -> None:
        _, options = parse_options_header(disposition)
        if b"filename" not in options and (name := _find_name(disposition, options, headers)):
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            self._current_part.content_disposition = disposition + f'; filename="{escaped}"'.encode("utf-8", "replace")


def _find_name(disposition: bytes, options: dict[bytes, bytes], headers: dict[bytes, bytes]) -> str:
    """Name of a file that has no `filename`; "" for text."""
    message = Message()
    message["Content-Disposition"] = disposition.decode("latin-1")
    if name := message.get_filename():
        return name
    kind = headers.get(b"content-type", b"").strip().lower()
    is_file = options.get(b"name") == FILE.encode() and kind and not kind.startswith(b"text/")
    return FILE if is_file else ""
