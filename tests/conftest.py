"""Shared fixtures, and folders of real data named by environment variables."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

from alignment.aligners.moonshine.aligner import MoonshineAligner
from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.permissions import make_private
from alignment.aligners.whisperx.aligner import WhisperXAligner
from model.bundle import Bundle, read_bundle
from tests.builders import TINY_WHISPERX, write_tiny_bundle


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Servers of the tests keep jobs in a folder of this process, not in the user's or another test process's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Bundle of a small untrained network."""
    return read_bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny"))


@pytest.fixture(scope="session")
def moonshine() -> Iterator[MoonshineAligner]:
    """The embedded aligner with one alignment process."""
    aligner = MoonshineAligner(1)
    yield aligner
    aligner.close()


@pytest.fixture(scope="session")
def pocketsphinx() -> Iterator[PocketSphinxAligner]:
    """The aligner without other models, with one worker."""
    aligner = PocketSphinxAligner(1)
    yield aligner
    aligner.close()


@pytest.fixture(scope="session")
def connections() -> list[str]:
    """Addresses outside this machine to which the process connects from now on."""
    addresses: list[str] = []

    def record(event: str, arguments: tuple[object, ...]) -> None:
        address = str(arguments[1]) if event == "socket.connect" else ""
        if address and "127.0.0.1" not in address and not address.startswith("/"):
            addresses.append(address)

    sys.addaudithook(record)
    return addresses


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy of the weights in tests/fixtures/tiny_whisperx that no other user can write to, as NLTK requires."""
    folder = tmp_path_factory.mktemp("tiny_weights")
    for name in ("whisper", "align", "nltk_data"):
        copytree(TINY_WHISPERX / name, folder / name)
    make_private([folder, *folder.rglob("*")])
    return folder


@pytest.fixture(scope="session")
def whisperx(connections: list[str], tiny_weights: Path) -> WhisperXAligner:
    """The real library on models of forty words; importing it takes 13 s, once per session."""
    aligner = WhisperXAligner(WhisperXConfig(model="tiny-words", weights=str(tiny_weights), threads=1, batch_size=4))
    aligner.warm_up()
    return aligner


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set; set it to a folder of real data")
    return Path(value)


@pytest.fixture(scope="session")
def ravdess() -> Path:
    """RAVDESS speech: the folders Actor_01, Actor_02, …"""
    return _folder("RAVDESS_DIR")


@pytest.fixture(scope="session")
def nemo() -> Path:
    """nEMO: acted Polish as Ogg Opus."""
    return _folder("NEMO_DIR")


@pytest.fixture(scope="session")
def goemotions() -> Path:
    """GoEmotions: labels.txt and three tsv files."""
    return _folder("GOEMOTIONS_DIR")


@pytest.fixture(scope="session")
def real_speech() -> Path:
    """Recordings of natural speech, including jfk.flac."""
    return _folder("SPEECH_DIR")


def pytest_collection_finish() -> None:
    """Keep what the tests have imported out of the collector's sight, as `can-ser serve` does with its models."""
    gc.collect()
    gc.freeze()
