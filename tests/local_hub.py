"""Local server of a model hub, of checkpoints and of the NLTK index, with configurable faults."""

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
    """Server of `files` by path.

    Attributes:
        files: Content of each path.
        repositories: File names of each repository.
        requests: Paths of all requests so far.
        cut: Paths with a next response that ends halfway.
        altered: Paths with content that differs from the listed hash.
        gated: Access token required for each gated repository.
        mute: Requests receive no response while it is set.
        closing: Set when the server stops.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.repositories: dict[str, list[str]] = {}
        self.requests: list[str] = []
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
        """Add all files of a folder and its subfolders."""
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        self.repositories[name] = list(files)
        for file, path in files.items():
            self.files[f"/{name}/resolve/{COMMIT}/{file}"] = path.read_bytes()

    def add_punkt(self, folder: Path) -> None:
        """Add a zip of the folder `punkt_tab`, and an index that lists it."""
        buffer = io.BytesIO()
        with ZipFile(buffer, "w") as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder.parent))
        self.files["/nltk/punkt_tab.zip"] = buffer.getvalue()
        package = f'<package id="punkt_tab" subdir="tokenizers" url="{self.address}/nltk/punkt_tab.zip" unzip="1"/>'
        self.files["/nltk/index.xml"] = f"<nltk_data><packages>{package}</packages></nltk_data>".encode()

    def listing(self, name: str) -> bytes:
        """Listing of a repository in the format of the hub: large files by SHA-256, small ones by git blob hash."""
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
        """Send a listing, or a file from the requested offset."""
        path = self.path.split("?")[0]
        self.server.requests.append(path)
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
        """Whether a file of a gated repository is refused; its listing never is, as on the hub."""
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

    def _send(self, status: int, body: bytes, stated_length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if stated_length is None else stated_length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


@contextmanager
def run_hub() -> Iterator[LocalHub]:
    """Run the server for the duration of the block."""
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
