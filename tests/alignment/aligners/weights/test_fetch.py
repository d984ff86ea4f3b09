import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import nltk
import pytest

from alignment.aligners.weights.catalogue import TORCH_ALIGN_MODELS
from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.fetch import SUMS, Sources, fetch_weights
from alignment.aligners.weights.locate import find_align_model, find_missing
from alignment.aligners.whisperx.aligner import WhisperXAligner
from alignment.audio import decode_audio
from alignment.errors import AlignerUnavailableError, FetchError, UnsupportedLanguageError
from tests.builders import TINY_WHISPERX, tiny_speech
from tests.local_hub import COMMIT, LocalHub, run_hub

pytestmark = pytest.mark.slow

WHISPER, ALIGN = "Systran/faster-whisper-tiny", "owner/align"
MODEL_BIN = f"/{WHISPER}/resolve/{COMMIT}/model.bin"
TOKENIZER = f"/{WHISPER}/resolve/{COMMIT}/tokenizer.json"
UNREACHABLE = Sources("http://127.0.0.1:9", "http://127.0.0.1:9/", "http://127.0.0.1:9/", 1)


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with run_hub() as running:
        running.add_repository(WHISPER, TINY_WHISPERX / "whisper" / "tiny-words")
        running.add_repository(ALIGN, TINY_WHISPERX / "align" / "en")
        running.add_punkt(TINY_WHISPERX / "nltk_data" / "tokenizers" / "punkt_tab")
        running.files["/torch/" + TORCH_ALIGN_MODELS["de"].file] = b"a checkpoint"
        yield running


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WhisperXConfig:
    for variable in ("HF_HUB_CACHE", "TORCH_HOME", "NLTK_DATA"):
        monkeypatch.setenv(variable, str(tmp_path / "nothing"))
    return WhisperXConfig(model="tiny", align_model=ALIGN, weights=str(tmp_path / "weights"), threads=1)


def fetch(config: WhisperXConfig, hub: LocalHub, *languages: str, again: bool = False) -> list[str]:
    return fetch_weights(config, languages or ["en"], lambda *_: None, hub.sources, again=again)


@pytest.fixture(params=[0o022, 0o002, 0o000], ids="umask {:03o}".format)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_fetched_weights_are_sufficient_and_private(
    config: WhisperXConfig, hub: LocalHub, whisperx: WhisperXAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the folders that other tests have added to NLTK's list."""
    with pytest.raises(AlignerUnavailableError, match="fetch --model tiny --language en --align-model owner/align"):
        WhisperXAligner(config)
    assert fetch(config, hub) == [WHISPER, ALIGN, "punkt_tab"]
    assert find_missing(config) is None
    paths = [config.folder, *config.folder.rglob("*")]
    assert not [path for path in paths if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)]
    monkeypatch.setattr(nltk.data, "path", [])
    sound = decode_audio(tiny_speech("00"))
    assert WhisperXAligner(config).recognise(sound).utterances == whisperx.recognise(sound).utterances


def test_fetching_again_makes_earlier_weights_private(config: WhisperXConfig, hub: LocalHub) -> None:
    fetch(config, hub)
    folder = config.folder / "nltk_data" / "tokenizers"
    folder.chmod(0o775)
    assert find_missing(config) is not None
    assert fetch(config, hub) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert find_missing(config) is None


def test_progress_is_reported(config: WhisperXConfig, hub: LocalHub) -> None:
    reports: list[tuple[str, int, int | None]] = []
    fetch_weights(config, ["en"], lambda *each: reports.append(each), hub.sources)
    size = (TINY_WHISPERX / "whisper" / "tiny-words" / "model.bin").stat().st_size
    assert ("model.bin", size, size) in reports
    assert all(total is None or done <= total for _, done, total in reports)


def test_checksums_are_recorded_and_complete_files_kept(config: WhisperXConfig, hub: LocalHub) -> None:
    fetch(config, hub)
    lines = (config.folder / SUMS).read_text().splitlines()
    assert len(lines) > 10
    for line in lines:
        sha256, name = line.split("  ")
        assert hashlib.sha256((config.folder / name).read_bytes()).hexdigest() == sha256
    assert fetch(config, hub) == []
    damaged = config.folder / "whisper" / "tiny" / "model.bin"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert fetch(config, hub) == [WHISPER]
    assert fetch(config, hub, again=True) == [WHISPER, ALIGN, "punkt_tab"]


def test_interrupted_download_resumes(config: WhisperXConfig, hub: LocalHub) -> None:
    hub.cut.add(MODEL_BIN)
    fetch(config, hub)
    assert find_missing(config) is None
    assert hub.requests.count(MODEL_BIN) == 2


@pytest.mark.parametrize(("path", "reason"), [(MODEL_BIN, "SHA-256"), (TOKENIZER, "differs from the hub's listing")])
def test_altered_content_is_refused(config: WhisperXConfig, hub: LocalHub, path: str, reason: str) -> None:
    hub.altered.add(path)
    with pytest.raises(FetchError, match=reason):
        fetch(config, hub)
    missing = find_missing(config)
    assert missing is not None
    assert "'tiny' are not on this machine" in missing.reason
    hub.altered.clear()
    fetch(config, hub)
    assert find_missing(config) is None
    assert hub.requests.count(MODEL_BIN) == 1 + (path == MODEL_BIN)


def test_checkpoint_of_torchaudio_is_fetched(config: WhisperXConfig, hub: LocalHub) -> None:
    fetch(config, hub, "en", "de")
    weights = find_align_model(config, "de")
    assert weights is not None
    assert weights.name is None
    assert Path(str(weights.torch_folder), TORCH_ALIGN_MODELS["de"].file).read_bytes() == b"a checkpoint"


def test_unresponsive_host_times_out(config: WhisperXConfig, hub: LocalHub) -> None:
    hub.mute.set()
    impatient = replace(hub.sources, timeout_s=0.2)
    with pytest.raises(FetchError, match="timed out|Read timed out"):
        fetch_weights(config, ["en"], lambda *_: None, impatient)
    local = replace(config, model=str(TINY_WHISPERX / "whisper" / "tiny-words"), align_model="")
    with pytest.raises(FetchError, match="timed out"):
        fetch_weights(local, ["de"], lambda *_: None, impatient)
    with pytest.raises(FetchError, match="index.xml.*timed out"):
        fetch_weights(
            replace(local, align_model=str(TINY_WHISPERX / "align" / "en")), ["en"], lambda *_: None, impatient
        )


def test_no_network(config: WhisperXConfig) -> None:
    with pytest.raises(FetchError, match="refused"):
        fetch_weights(config, ["en"], lambda *_: None, UNREACHABLE)


def test_unknown_models_and_languages_are_refused(config: WhisperXConfig, hub: LocalHub) -> None:
    with pytest.raises(FetchError, match="404"):
        fetch(replace(config, model="owner/missing"), hub)
    with pytest.raises(AlignerUnavailableError, match="no Whisper model 'enormous'"):
        fetch(replace(config, model="enormous"), hub)
    with pytest.raises(UnsupportedLanguageError, match="--align-model"):
        fetch(replace(config, align_model=""), hub, "xx")


def test_weights_of_other_origin_are_left_alone(config: WhisperXConfig, tiny_weights: Path, tmp_path: Path) -> None:
    copytree(tiny_weights, tmp_path / "copied")
    copied = WhisperXConfig(model="tiny-words", weights=str(tmp_path / "copied"))
    assert fetch_weights(copied, ["en"], lambda *_: None, UNREACHABLE) == []
    with pytest.raises(FetchError, match="refused"):
        fetch_weights(copied, ["en", "fr"], lambda *_: None, UNREACHABLE)
