"""Broken files over HTTP: a result or a documented problem for each, and no leaks."""

import gc
import json
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import psutil
import pytest

from model.bundle import Bundle
from service.results.problems import PROBLEMS
from service.settings import Settings
from tests.builders import encode, encode_with_ffmpeg, noise, tone
from tests.fakes import FakeAligner
from tests.mutations import CONTAINERS, clip, mutants, whole
from tests.service.serving import RunningServer, open_descriptors, run_server
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

COUNT: Final = 768
"""Two files per mutation and container."""
WORDS = json.dumps([{"word": "the", "start": 0.0, "end": 0.05}, {"word": "garden", "start": 0.05, "end": 0.1}])
CODES = {problem.code: problem.status for problem in PROBLEMS.values()}
GROWTH_BYTES = 150_000_000
"""Allowance for decoders and the arena of the network; the 768 files are 20 kB on average."""


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder for temporary files during the test."""
    default, folder = tempfile.tempdir, tmp_path_factory.mktemp("temporary")
    tempfile.tempdir = str(folder)
    yield folder
    tempfile.tempdir = default


@pytest.fixture(scope="module", params=[0, 1], ids=["threads", "worker"])
def server(tiny_bundle: Bundle, temporary: Path, request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    settings = Settings(bundle=str(tiny_bundle.folder), max_audio_s=30, log_level="error", scorers=request.param)
    with run_server(settings, FakeAligner()) as running:
        yield running


def resident_bytes() -> int:
    """Resident memory of this process and its child processes."""
    total = 0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def predict(server: RunningServer, data: bytes, name: str = "speech.wav", **fields: str) -> httpx.Response:
    response = server.client.post("/predict", files={"file": (name, data)}, data={"explain": "false", **fields})
    if response.status_code != 200:
        problem = response.json()
        assert response.headers["content-type"] == "application/problem+json"
        assert CODES[problem["code"]] == response.status_code < 500, problem
    return response


def test_broken_files_of_every_container(server: RunningServer) -> None:
    for container in CONTAINERS:
        assert predict(server, whole(container), words=WORDS).status_code == 200
    threads, resident, files = threading.active_count(), resident_bytes(), open_descriptors()

    def outcome_of(mutant: tuple[str, bytes]) -> str:
        name, data = mutant
        response = predict(server, data, name.split()[1], words=WORDS)
        return "ok" if response.status_code == 200 else str(response.json()["code"])

    with ThreadPoolExecutor(4) as pool:
        outcomes = Counter(pool.map(outcome_of, mutants(7, COUNT)))
    assert outcomes.total() == COUNT
    # The mutations must leave some files readable and others not.
    assert outcomes["ok"] > COUNT // 4
    assert outcomes["not-audio"] > COUNT // 50
    assert server.state.scheduler.admission.in_progress == 0
    gc.collect()
    wait_until(lambda: threading.active_count() <= threads + 4)
    wait_until(lambda: open_descriptors() <= files + 8)
    assert resident_bytes() < resident + GROWTH_BYTES


def test_temporary_files_do_not_outlive_their_requests(
    server: RunningServer, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uploads of over a megabyte are stored in unnamed temporary files while they are received."""
    rollovers: list[object] = []
    rollover = tempfile.SpooledTemporaryFile.rollover

    def record(file: "tempfile.SpooledTemporaryFile[bytes]") -> None:
        rollovers.append(file)
        rollover(file)

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", record)
    large = encode(noise(20.0), subtype="FLOAT")
    assert len(large) > 1_100_000
    for data in (large, large[:-100_000], b"RIFF" + bytes(2_000_000)):
        predict(server, data, words=WORDS)
    assert len(rollovers) == 3
    assert list(temporary.iterdir()) == []
    paths = [file.path for file in psutil.Process().open_files()]
    assert not [path for path in paths if str(temporary) in path]


EXTREME_FILES: dict[str, tuple[str | None, Callable[[], bytes]]] = {
    "flac": ("audio-too-long", lambda: encode(np.zeros(8_000 * 600, np.float32) + 1e-3, 8_000, container="FLAC")),
    "mp3": ("audio-too-long", lambda: encode(np.zeros(8_000 * 600, np.float32), 8_000, container="MP3")),
    "m4a": ("audio-too-long", lambda: encode_with_ffmpeg(np.zeros(8_000 * 600, np.float32), "ipod", "aac", 8_000)),
    "webm": ("audio-too-long", lambda: encode_with_ffmpeg(np.zeros(8_000 * 600, np.float32), "webm", "libopus", 8_000)),
    "zeros": ("not-audio", lambda: bytes(3_000_000)),
    "nan": ("non-finite-audio", lambda: encode(np.full(16_000, np.nan, np.float32), subtype="FLOAT")),
    "inf-late": ("non-finite-audio", lambda: encode(np.append(tone(9.0), np.inf).astype(np.float32), subtype="FLOAT")),
    "double-past-float": ("non-finite-audio", lambda: encode(np.full(16_000, 1e300), subtype="DOUBLE")),
    "rate-1": ("unsupported-audio", lambda: encode(tone(1.0), 1)),
    "rate-2e9": ("unsupported-audio", lambda: encode(tone(1.0), 2_000_000_000)),
    "channels-64": ("unsupported-audio", lambda: encode(np.tile(tone(1.0)[:, None], (1, 64)))),
    "empty": ("empty-file", lambda: b""),
    "one-byte": ("not-audio", lambda: b"R"),
    "playlist": ("not-audio", lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
    "concat-script": ("not-audio", lambda: b"ffconcat version 1.0\nfile /etc/passwd\n"),
    "archive": ("not-audio", lambda: b"PK\x03\x04" + bytes(4_000)),
    "picture": ("not-audio", lambda: b"\x89PNG\r\n\x1a\n" + bytes(4_000)),
    "huge-float": (None, lambda: encode(tone(1.0) * np.float32(1e37), subtype="FLOAT")),
    "denormal": (None, lambda: encode(tone(1.0) * np.float32(1e-40), subtype="FLOAT")),
    "channels-32": (None, lambda: encode(np.tile(clip()[:, None], (1, 32)))),
    "rate-768000": (None, lambda: encode(tone(0.5, rate_hz=768_000), 768_000)),
    "two-files": (None, lambda: whole("flac") + whole("m4a")),
}


@pytest.mark.parametrize("name", EXTREME_FILES)
def test_extreme_and_disguised_files(server: RunningServer, name: str) -> None:
    code, make = EXTREME_FILES[name]
    data = make()
    resident = resident_bytes()
    # Worker processes are used only while several requests are in progress.
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(predict, server, data, words=WORDS) for _ in range(4)]
    response = futures[0].result()
    assert {future.result().status_code for future in futures} == {response.status_code}
    assert resident_bytes() < resident + GROWTH_BYTES
    if code is None:
        assert response.status_code == 200, response.text
        assert sum(response.json()["probabilities"].values()) == pytest.approx(1.0)
    else:
        assert response.json()["code"] == code, response.text
