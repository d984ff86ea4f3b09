"""A hub of models, a server of checkpoints and NLTK's index, in one local server; it can break in several ways."""

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

from alignment.aligners.weights.fetch import Sources

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class LocalHub(ThreadingHTTPServer):
    """Serves `files` by path; what it was asked for is in `asked`.

    Attributes:
        cut: paths that are cut in the middle once.
        altered: paths whose content is not what is listed.
        mute: never answers.
        gated: the token that a repository is given for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.repositories: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.cut: set[str] = set()
        self.altered: set[str] = set()
        self.gated: dict[str, str] = {}
        self.mute = threading.Event()
        self.closing = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def sources(self) -> Sources:
        return Sources(self.address, f"{self.address}/torch/", f"{self.address}/nltk/index.xml", timeout_s=5)

    def add_repository(self, name: str, folder: Path) -> None:
        """All files of a folder and of those in it."""
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        self.repositories[name] = list(files)
        for file, path in files.items():
            self.files[f"/{name}/resolve/{COMMIT}/{file}"] = path.read_bytes()

    def add_punkt(self, folder: Path) -> None:
        """The folder `punkt_tab`, zipped, and an index that names it."""
        buffer = io.BytesIO()
        with ZipFile(buffer, "w") as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder.parent))
        self.files["/nltk/punkt_tab.zip"] = buffer.getvalue()
        package = f'<package id="punkt_tab" subdir="tokenizers" url="{self.address}/nltk/punkt_tab.zip" unzip="1"/>'
        self.files["/nltk/index.xml"] = f"<nltk_data><packages>{package}</packages></nltk_data>".encode()

    def listing(self, name: str) -> bytes:
        """As the hub's API tells of a repository: big files by SHA-256, small ones by git's name."""
        siblings = []
        for file in self.repositories[name]:
            data = self.files[f"/{name}/resolve/{COMMIT}/{file}"]
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            entry = {"rfilename": file, "size": len(data), "blobId": blob}
            if file.endswith((".bin", ".safetensors")):
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            siblings.append(entry)
        return json.dumps({"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings}).encode()


class _Handler(BaseHTTPRequestHandler):
    server: LocalHub

    def do_GET(self) -> None:
        """A listing, or a file from where it is asked for."""
        path = self.path.split("?")[0]
        self.server.asked.append(path)
        if self.server.mute.is_set():
            self.server.closing.wait(60)
            return
        repository = path.removeprefix("/api/models/")
        if repository in self.server.repositories:
            self._send(200, self.server.listing(repository))
        elif self._is_refused(path):
            self._send(401, b"")
        elif path in self.server.files:
            self._send_file(path, self.server.files[path])
        else:
            self._send(404, b"")

    def _is_refused(self, path: str) -> bool:
        """As the hub does: who may not have a gated repository's files may still see which there are."""
        token = next((token for name, token in self.server.gated.items() if path.startswith(f"/{name}/")), None)
        return token is not None and self.headers.get("Authorization") != f"Bearer {token}"

    def _send_file(self, path: str, data: bytes) -> None:
        if path in self.server.altered:
            data = data[:-1] + b"!"
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        if path in self.server.cut:
            self.server.cut.remove(path)
            self._send(200, data[: len(data) // 2], len(data))
            self.close_connection = True
        else:
            self._send(206 if start else 200, data[start:])

    def _send(self, status: int, body: bytes, promised: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def run_hub() -> Iterator[LocalHub]:
    """The server, running."""
    hub = LocalHub()
    thread = threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        hub.shutdown()
        hub.server_close()
        thread.join()
