"""Broken files over HTTP: each is answered, or refused with a documented problem; nothing stays behind."""

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
from tests.service.serving import Served, open_files, serve
from tests.waiting import wait_until

COUNT: Final = 768
"""Two of each way of breaking each container."""
WORDS = json.dumps([{"word": "the", "start": 0.0, "end": 0.05}, {"word": "garden", "start": 0.05, "end": 0.1}])
CODES = {problem.code: problem.status for problem in PROBLEMS.values()}
GROWTH_BYTES = 150_000_000
"""Decoders and the network's arena settle in the first requests; the files here are 20 kB on average, 770 of them."""


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where temporary files go meanwhile."""
    usual, folder = tempfile.tempdir, tmp_path_factory.mktemp("temporary")
    tempfile.tempdir = str(folder)
    yield folder
    tempfile.tempdir = usual


@pytest.fixture(scope="module", params=[0, 1], ids=["threads", "a scorer"])
def served(tiny_bundle: Bundle, temporary: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    settings = Settings(bundle=str(tiny_bundle.folder), max_audio_s=30, log_level="error", scorers=request.param)
    with serve(settings, FakeAligner()) as running:
        yield running


def resident_bytes() -> int:
    """Of this process and those that it started; one that ends meanwhile counts nothing."""
    total = 0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def ask(served: Served, data: bytes, name: str = "speech.wav", **fields: str) -> httpx.Response:
    answer = served.client.post("/predict", files={"file": (name, data)}, data={"explain": "false", **fields})
    if answer.status_code != 200:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert CODES[problem["code"]] == answer.status_code < 500, problem
    return answer


def test_broken_files_of_every_container(served: Served) -> None:
    for container in CONTAINERS:
        assert ask(served, whole(container), words=WORDS).status_code == 200
    threads, resident, files = threading.active_count(), resident_bytes(), open_files()

    def answer(mutant: tuple[str, bytes]) -> str:
        name, data = mutant
        found = ask(served, data, name.split()[1], words=WORDS)
        return "answered" if found.status_code == 200 else str(found.json()["code"])

    with ThreadPoolExecutor(4) as pool:
        kinds = Counter(pool.map(answer, mutants(7, COUNT)))
    assert kinds.total() == COUNT
    # Not one kind of answer alone: most of a file is often there, and often nothing of it is.
    assert kinds["answered"] > COUNT // 4
    assert kinds["not-audio"] > COUNT // 50
    assert served.lifecycle.scheduler.admission.in_progress == 0
    gc.collect()
    wait_until(lambda: threading.active_count() <= threads + 4)
    wait_until(lambda: open_files() <= files + 8)
    assert resident_bytes() < resident + GROWTH_BYTES


def test_temporary_files_do_not_outlive_their_requests(served: Served, temporary: Path) -> None:
    """An upload of over a megabyte lies on disk while it comes, without a name."""
    large = encode(noise(20.0), subtype="FLOAT")
    assert len(large) > 1_100_000
    for data in (large, large[:-300_000], b"RIFF" + bytes(2_000_000)):
        ask(served, data, words=WORDS)
    assert list(temporary.iterdir()) == []
    links = [file.path for file in psutil.Process().open_files()]
    assert not [path for path in links if str(temporary) in path]


BOMBS: dict[str, tuple[str | None, Callable[[], bytes]]] = {
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


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_extreme_or_pretends(served: Served, name: str) -> None:
    code, make = BOMBS[name]
    data = make()
    resident = resident_bytes()
    # InferenceWorkerPool are asked only while several are there.
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, served, data, words=WORDS) for _ in range(4)]
    answer = answers[0].result()
    assert {other.result().status_code for other in answers} == {answer.status_code}
    assert resident_bytes() < resident + GROWTH_BYTES
    if code is None:
        assert answer.status_code == 200, answer.text
        assert sum(answer.json()["probabilities"].values()) == pytest.approx(1.0)
    else:
        assert answer.json()["code"] == code, answer.text
