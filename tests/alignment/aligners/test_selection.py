from pathlib import Path

import pytest

from alignment.aligners import whisperx_weights
from alignment.aligners.selection import choose_aligner
from alignment.aligners.whisperx_weights import WhisperXConfig, find_missing
from alignment.errors import AlignerUnavailableError


@pytest.fixture
def nothing_cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "NLTK_DATA"):
        monkeypatch.setenv(variable, str(tmp_path))


@pytest.fixture
def local_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WhisperXConfig:
    """Files where weights would be; nothing loads them here."""
    for file in ("whisper/model.bin", "align/model.safetensors", "nltk/tokenizers/punkt_tab/english/x"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nltk"))
    return WhisperXConfig(model=str(tmp_path / "whisper"), align_model=str(tmp_path / "align"))


def test_asked_for_by_name() -> None:
    aligner = choose_aligner("pocketsphinx", WhisperXConfig())
    assert (aligner.info.name, aligner.info.reason) == ("pocketsphinx", "asked for by name")
    aligner.close()


@pytest.mark.usefixtures("nothing_cached")
def test_auto_falls_back_and_says_why() -> None:
    aligner = choose_aligner("auto", WhisperXConfig())
    assert aligner.info.name == "pocketsphinx"
    assert "the Whisper weights 'small.en' are not on this machine" in aligner.info.reason
    aligner.close()


@pytest.mark.usefixtures("nothing_cached")
def test_whisperx_by_name_fails_at_once_with_the_way_out() -> None:
    with pytest.raises(AlignerUnavailableError, match="CAN_WHISPERX__DOWNLOAD"):
        choose_aligner("whisperx", WhisperXConfig())


def test_auto_takes_whisperx_when_its_weights_are_there(local_weights: WhisperXConfig) -> None:
    aligner = choose_aligner("auto", local_weights)
    assert aligner.info.name == "whisperx"
    assert aligner.info.reason.startswith("auto")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, local_weights: WhisperXConfig) -> None:
    monkeypatch.setattr(whisperx_weights, "find_spec", lambda name: None)
    aligner = choose_aligner("auto", local_weights)
    assert "the package whisperx is not installed" in aligner.info.reason
    aligner.close()


@pytest.mark.parametrize(
    ("missing", "named"),
    [("whisper/model.bin", "Whisper"), ("align/model.safetensors", "alignment"), ("nltk", "punkt")],
)
def test_each_missing_piece_is_named(
    local_weights: WhisperXConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, named: str
) -> None:
    if missing == "nltk":
        monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nowhere"))
        monkeypatch.setattr(Path, "home", lambda: tmp_path)
    else:
        (tmp_path / missing).unlink()
    assert named in (find_missing(local_weights) or "")


def test_downloads_are_allowed_when_asked_for(local_weights: WhisperXConfig) -> None:
    assert find_missing(WhisperXConfig(model="no/such-repository", download=True)) is None
