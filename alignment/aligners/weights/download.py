"""Download of one file: resumed after interruptions, with a timeout, and verified before it is used."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from alignment.errors import FetchError
from alignment.timing import Seconds

Report = Callable[[str, int, int | None], None]
"""Called with the file's name, the bytes on disk, and the total size where it is known."""

_BLOCK_BYTES: Final = 1 << 20
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """Address and expected content of a file.

    Attributes:
        url: http or https.
        headers: Sent to the file's own host only, not to hosts that it redirects to.
        sha256: Of the content, where the host publishes it.
        git_blob: Git's SHA-1 of the content, where the host publishes that instead.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    sha256: str | None = None
    git_blob: str | None = None


def download(source: RemoteFile, to: Path, report: Report, timeout_s: Seconds = 30.0) -> str:
    """Download a file and return its SHA-256.

    Args:
        source: Address and expected content.
        to: Path of the complete file; an incomplete one is named `to` + ".part".
        report: Called for every block.
        timeout_s: Longest time without any byte from the host.

    Raises:
        FetchError: The host does not respond, refuses, or sends other content; temporary failures are retried twice.
    """
    host = urlsplit(source.url).netloc
    if urlsplit(source.url).scheme not in ("http", "https"):
        raise FetchError(to.name, f"{source.url} is no http address")
    part = to.with_name(to.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(_ATTEMPTS):
        try:
            _resume(source, part, to.name, report, timeout_s)
            break
        except HTTPError as exc:
            raise FetchError(to.name, f"{host} returned {exc.code} {exc.reason}", exc.code) from exc
        except (OSError, HTTPException) as exc:
            if attempt == _ATTEMPTS - 1:
                raise FetchError(to.name, f"{host}: {exc or type(exc).__name__}") from exc
    sha256 = _verify(source, part)
    part.replace(to)
    return sha256


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _resume(source: RemoteFile, part: Path, name: str, report: Report, timeout_s: Seconds) -> None:
    """Append what is missing to an incomplete file."""
    done_bytes = part.stat().st_size if part.exists() else 0
    request = Request(source.url, headers={"Range": f"bytes={done_bytes}-"} if done_bytes else {})  # noqa: S310
    for header, value in source.headers.items():
        request.add_unredirected_header(header, value)
    try:
        response = urlopen(request, timeout=timeout_s)  # noqa: S310
    except HTTPError as exc:
        if done_bytes and exc.code == 416:
            return
        raise
    with response:
        if done_bytes and response.status != 206:
            done_bytes = 0
        length = response.headers.get("Content-Length")
        total_bytes = done_bytes + int(length) if length and length.isdigit() else None
        with part.open("r+b" if done_bytes else "wb") as file:
            file.seek(done_bytes)
            for block in _blocks(response):
                file.write(block)
                done_bytes += len(block)
                report(name, done_bytes, total_bytes)
    if total_bytes is not None and done_bytes < total_bytes:
        raise ConnectionResetError(f"the connection was cut after {done_bytes:,} of {total_bytes:,} bytes")


def _blocks(response: IO[bytes]) -> Iterator[bytes]:
    while block := response.read(_BLOCK_BYTES):
        yield block


def _verify(source: RemoteFile, part: Path) -> str:
    """SHA-256 of a complete file; one with unexpected content is deleted."""
    sha256 = sha256_of(part)
    if source.sha256 not in (None, sha256):
        part.unlink()
        raise FetchError(part.stem, f"its SHA-256 is {sha256}, it should be {source.sha256}")
    if source.git_blob is not None and _git_blob(part) != source.git_blob:
        part.unlink()
        raise FetchError(part.stem, "its content differs from the hub's listing")
    return sha256


def _git_blob(path: Path) -> str:
    """Git's SHA-1 of a file's content."""
    digest: Any = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    digest.update(path.read_bytes())
    return str(digest.hexdigest())
