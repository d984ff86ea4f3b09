"""A file from the network: resumed where it was cut, never waited for without end, checked before it counts."""

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
"""Told what is fetched, the bytes that are there, and all of them where that is known."""

_BLOCK_BYTES: Final = 1 << 20
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file.

    Attributes:
        url: http or https.
        headers: for its own host only, never passed on to where that redirects.
        sha256: of its content, where its host tells it.
        git_blob: git's SHA-1 of it, where its host tells that instead.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    sha256: str | None = None
    git_blob: str | None = None


def download(source: RemoteFile, to: Path, report: Report, silence_s: Seconds = 30.0) -> str:
    """SHA-256 of a file, once it lies at `to`.

    Args:
        source: where it is, and what it must hold.
        to: its place; until all of it is there it is called `to` + ".part".
        report: told of every block.
        silence_s: a host that says nothing for so long is given up.

    Raises:
        FetchError: the host does not answer, refuses, or sends something else; three times for what may pass.
    """
    if urlsplit(source.url).scheme not in ("http", "https"):
        raise FetchError(to.name, f"{source.url} is no http address")
    part = to.with_name(to.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(_ATTEMPTS):
        try:
            _continue(source, part, to.name, report, silence_s)
            break
        except HTTPError as exc:
            raise FetchError(
                to.name, f"{urlsplit(source.url).netloc} answers {exc.code} {exc.reason}", exc.code
            ) from exc
        except (OSError, HTTPException) as exc:
            if attempt == _ATTEMPTS - 1:
                raise FetchError(to.name, f"{urlsplit(source.url).netloc}: {exc or type(exc).__name__}") from exc
    found = _check(source, part)
    part.replace(to)
    return found


def sha256_of(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _continue(source: RemoteFile, part: Path, name: str, report: Report, silence_s: Seconds) -> None:
    """What is not there yet, put after what is."""
    there = part.stat().st_size if part.exists() else 0
    request = Request(source.url, headers={"Range": f"bytes={there}-"} if there else {})  # noqa: S310
    for header, value in source.headers.items():
        request.add_unredirected_header(header, value)
    try:
        response = urlopen(request, timeout=silence_s)  # noqa: S310
    except HTTPError as exc:
        if there and exc.code == 416:
            return
        raise
    with response:
        if there and response.status != 206:
            there = 0
        length = response.headers.get("Content-Length")
        total = there + int(length) if length and length.isdigit() else None
        with part.open("r+b" if there else "wb") as file:
            file.seek(there)
            for block in _blocks(response):
                file.write(block)
                there += len(block)
                report(name, there, total)
    if total is not None and there < total:
        raise ConnectionResetError(f"the connection was cut after {there:,} of {total:,} bytes")


def _blocks(response: IO[bytes]) -> Iterator[bytes]:
    while block := response.read(_BLOCK_BYTES):
        yield block


def _check(source: RemoteFile, part: Path) -> str:
    """SHA-256; what is not as promised is thrown away."""
    found = sha256_of(part)
    if source.sha256 not in (None, found):
        part.unlink()
        raise FetchError(part.stem, f"its SHA-256 is {found}, it should be {source.sha256}")
    if source.git_blob is not None and _git_blob(part) != source.git_blob:
        part.unlink()
        raise FetchError(part.stem, "its content is not what the hub lists")
    return found


def _git_blob(path: Path) -> str:
    """The name git gives a file's content."""
    digest: Any = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    digest.update(path.read_bytes())
    return str(digest.hexdigest())
