import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alignment.aligners.weights.catalogue import TORCH_ALIGN_MODELS, punkt_folder
from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.locate import (
    AlignWeights,
    aligned_languages,
    find_align_model,
    find_missing,
    require_weights,
)
from alignment.aligners.weights.permissions import find_refused_path, make_private
from alignment.errors import AlignerUnavailableError
from tests.builders import ROOT
from tests.machines import install_links, run_isolated

WITHOUT_PACKAGE = """
from alignment.aligners.selection import choose_aligner
from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.fetch import fetch_weights
from alignment.aligners.whisperx.diarization import PyannoteDiarizer
from alignment.errors import AlignerError

config = WhisperXConfig()
for call in (
    lambda: choose_aligner("whisperx", config),
    lambda: fetch_weights(config, ["en"], print),
    PyannoteDiarizer(config).require,
):
    try:
        call()
    except AlignerError as exc:
        print(exc)
"""


def missing_reason(config: WhisperXConfig) -> str:
    missing = find_missing(config)
    assert missing is not None
    return missing.reason


def test_default_folder_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert WhisperXConfig().folder == tmp_path / "can-ser"
    assert WhisperXConfig(weights="/elsewhere").folder == Path("/elsewhere")


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("whisper/tiny-words/model.bin", "there is no Whisper model 'tiny-words'"),
        ("whisper/tiny-words/tokenizer.json", "there is no Whisper model 'tiny-words'"),
        ("align/en/model.safetensors", "the alignment model for 'en'"),
        ("nltk_data/tokenizers/punkt_tab/english", "punkt_tab"),
    ],
)
def test_missing_part_is_named(local_weights: WhisperXConfig, tmp_path: Path, missing: str, named: str) -> None:
    assert find_missing(local_weights) is None
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    assert named in missing_reason(local_weights)


def test_empty_file_counts_as_interrupted_download(local_weights: WhisperXConfig, tmp_path: Path) -> None:
    (tmp_path / "align/en/model.safetensors").write_bytes(b"")
    assert "the alignment model for 'en'" in missing_reason(local_weights)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": "small.en"}, "'small.en' are not on this machine; fetch it with `can-ser fetch --model small.en"),
        ({"model": "smal.en"}, "no Whisper model 'smal.en' (known are base, base.en, distil"),
        ({"model": "./nowhere"}, "the folder './nowhere' holds no Whisper model"),
        ({"model": "owner/whisper-ct2"}, "'owner/whisper-ct2' are not on this machine"),
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
def test_missing_weights_name_the_way_out(local_weights: WhisperXConfig, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(AlignerUnavailableError) as caught:
        require_weights(replace(local_weights, **changes))
    assert named in str(caught.value)


def test_empty_folder_holds_no_model(local_weights: WhisperXConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = str(tmp_path / "empty")
    with pytest.raises(AlignerUnavailableError, match="empty' holds no Whisper model in CTranslate2's format"):
        require_weights(replace(local_weights, model=empty))
    with pytest.raises(AlignerUnavailableError, match="empty' holds no alignment model"):
        require_weights(replace(local_weights, align_model=empty))


def test_models_may_be_in_any_folder(local_weights: WhisperXConfig, tmp_path: Path) -> None:
    elsewhere = WhisperXConfig(
        model=str(tmp_path / "whisper" / "tiny-words"),
        align_model=str(tmp_path / "align" / "en"),
        language="xx",
        weights=local_weights.weights,
    )
    assert find_missing(elsewhere) is None
    assert aligned_languages(elsewhere) == ["de", "en", "xx"]


def test_models_in_the_libraries_caches_are_found(
    local_weights: WhisperXConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "align/en/model.safetensors").unlink()
    checkpoint = tmp_path / "torch" / "hub" / "checkpoints" / TORCH_ALIGN_MODELS["en"].file
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert find_align_model(local_weights, "en") == AlignWeights(None, str(checkpoint.parent))


def test_missing_package_is_named_with_its_extra(tmp_path: Path) -> None:
    """The aligner, the download and diarization, on a machine with the core packages only."""
    core = install_links(ROOT / "requirements" / "core.txt", tmp_path)
    done = run_isolated(core, "-c", WITHOUT_PACKAGE)
    lines = done.stdout.splitlines()
    assert (len(lines), done.stderr) == (3, "")
    assert all("whisperx is not installed; `make install-whisperx` installs it" in line for line in lines)


PARTS = ["", "tokenizers", "tokenizers/punkt_tab", "tokenizers/punkt_tab/english"]


@pytest.mark.skipif(os.name != "posix", reason="NLTK inspects POSIX permissions only")
@pytest.mark.parametrize("part", [*PARTS, "tokenizers/punkt_tab/english/collocations.tab"])
@pytest.mark.parametrize("bit", [0o020, 0o002])
def test_writable_nltk_data_is_refused_with_the_way_out(
    local_weights: WhisperXConfig, tmp_path: Path, part: str, bit: int
) -> None:
    """What NLTK itself refuses, so that `can-ser doctor` does not report it as usable."""
    from nltk.data import find

    data = tmp_path / "nltk_data"
    path = data / part
    assert find_missing(local_weights) is None
    assert find("tokenizers/punkt_tab/english/", [str(data)])
    path.chmod(path.stat().st_mode | bit)
    with pytest.raises(AlignerUnavailableError, match=f"write to {path} .*; run `chmod -R go-w {data}`"):
        require_weights(local_weights)
    with pytest.warns(RuntimeWarning, match="writable by"), pytest.raises(LookupError):
        find("tokenizers/punkt_tab/english/", [str(data)])
    make_private([path])
    assert find_missing(local_weights) is None


@pytest.mark.skipif(os.name != "posix", reason="NLTK inspects POSIX permissions only")
def test_permissions_above_nltk_data_and_of_other_languages_do_not_matter(
    local_weights: WhisperXConfig, tmp_path: Path
) -> None:
    from nltk.data import find

    data = tmp_path / "nltk_data"
    for path in (tmp_path, data / "tokenizers/punkt_tab/german"):
        path.chmod(0o777)
    (data / "tokenizers/punkt_tab/english/link.tab").symlink_to("collocations.tab")
    assert find_refused_path(data, punkt_folder("en")) is None
    assert find("tokenizers/punkt_tab/english/", [str(data)])
    assert find_refused_path(data, punkt_folder("de")) == data / "tokenizers/punkt_tab/german"
    assert find_missing(local_weights) is None


@pytest.mark.skipif(os.name != "posix", reason="NLTK inspects POSIX permissions only")
def test_nltk_data_of_another_user_is_refused(
    local_weights: WhisperXConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path / "nltk_data", 12_345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    assert f"other users can write to {tmp_path / 'nltk_data'} or own it" in missing_reason(local_weights)
