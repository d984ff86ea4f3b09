from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from alignment.aligners.selection import choose_aligner
from alignment.aligners.weights import locate as whisperx_weights
from alignment.aligners.weights.catalogue import TORCH_ALIGN_MODELS
from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.locate import (
    AlignWeights,
    aligned_languages,
    find_align_model,
    find_missing,
    require_weights,
)
from alignment.errors import AlignerUnavailableError
from tests.builders import TINY_WHISPERX


@pytest.fixture
def nothing_cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nor fetched."""
    for variable in ("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "NLTK_DATA", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "nothing"))


@pytest.fixture
def local_weights(nothing_cached: None, tmp_path: Path) -> WhisperXConfig:
    """The folder that `can-ser fetch` fills; nothing loads it here."""
    copytree(TINY_WHISPERX, tmp_path, dirs_exist_ok=True)
    return WhisperXConfig(model="tiny-words", weights=str(tmp_path))


def test_asked_for_by_name() -> None:
    aligner = choose_aligner("pocketsphinx", WhisperXConfig())
    assert (aligner.info.name, aligner.info.reason) == ("pocketsphinx", "selected by name")
    aligner.close()


@pytest.mark.usefixtures("nothing_cached")
def test_auto_falls_back_and_says_why() -> None:
    aligner = choose_aligner("auto", WhisperXConfig())
    assert aligner.info.name == "pocketsphinx"
    assert "the Whisper weights 'small.en' are not on this machine" in aligner.info.reason
    aligner.close()


@pytest.mark.usefixtures("nothing_cached")
def test_whisperx_by_name_fails_at_once_with_the_way_out() -> None:
    with pytest.raises(AlignerUnavailableError, match="can-ser fetch --model small.en --language en"):
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


def missing_reason(config: WhisperXConfig) -> str:
    missing = find_missing(config)
    assert missing is not None
    return missing.reason


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("whisper/tiny-words/model.bin", "there is no Whisper model 'tiny-words'"),
        ("whisper/tiny-words/tokenizer.json", "there is no Whisper model 'tiny-words'"),
        ("align/en/model.safetensors", "the alignment model for 'en'"),
        ("nltk_data/tokenizers/punkt_tab/english", "punkt_tab"),
    ],
)
def test_each_missing_piece_is_named(local_weights: WhisperXConfig, tmp_path: Path, missing: str, named: str) -> None:
    assert find_missing(local_weights) is None
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    assert named in missing_reason(local_weights)


def test_an_empty_file_is_an_interrupted_download(local_weights: WhisperXConfig, tmp_path: Path) -> None:
    (tmp_path / "align/en/model.safetensors").write_bytes(b"")
    assert "the alignment model for 'en'" in missing_reason(local_weights)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": "small.en"}, "'small.en' are not on this machine; fetch it with `can-ser fetch --model small.en"),
        ({"model": "smal.en"}, "no Whisper model 'smal.en' (known are base, base.en, distil"),
        ({"model": "./nowhere"}, "the folder './nowhere' holds no Whisper model"),
        ({"model": "somebody/whisper-ct2"}, "'somebody/whisper-ct2' are not on this machine"),
        (
            {"language": "fr"},
            "for 'fr' is not on this machine; fetch it with `can-ser fetch --model tiny-words --language fr`",
        ),
        (
            {"language": "nl"},
            "for 'nl' is not on this machine; fetch it with `can-ser fetch --model tiny-words --language nl`",
        ),
        ({"language": "xx"}, "WhisperX names no alignment model for the language 'xx'; name one"),
        ({"align_model": "/nowhere/at/all"}, "the folder '/nowhere/at/all' holds no alignment model"),
        ({"align_model": "me/mine"}, "the alignment model me/mine is not on this machine; fetch it with"),
    ],
)
def test_what_is_asked_for_and_not_there(local_weights: WhisperXConfig, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(AlignerUnavailableError) as caught:
        require_weights(replace(local_weights, **changes))
    assert named in str(caught.value)


def test_a_folder_with_nothing_in_it(local_weights: WhisperXConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = str(tmp_path / "empty")
    with pytest.raises(AlignerUnavailableError, match="empty' holds no Whisper model in CTranslate2's format"):
        require_weights(replace(local_weights, model=empty))
    with pytest.raises(AlignerUnavailableError, match="empty' holds no alignment model"):
        require_weights(replace(local_weights, align_model=empty))


def test_folders_may_lie_anywhere(local_weights: WhisperXConfig, tmp_path: Path) -> None:
    elsewhere = WhisperXConfig(
        model=str(tmp_path / "whisper" / "tiny-words"),
        align_model=str(tmp_path / "align" / "en"),
        language="xx",
        weights=local_weights.weights,
    )
    assert find_missing(elsewhere) is None
    assert aligned_languages(elsewhere) == ["de", "en", "xx"]


def test_models_in_the_libraries_own_caches(
    local_weights: WhisperXConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "align/en/model.safetensors").unlink()
    checkpoint = tmp_path / "torch" / "hub" / "checkpoints" / TORCH_ALIGN_MODELS["en"].file
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert find_align_model(local_weights, "en") == AlignWeights(None, str(checkpoint.parent))
