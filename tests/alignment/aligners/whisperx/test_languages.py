"""Languages of WhisperX: configured, requested, detected."""

from pathlib import Path
from shutil import copytree, rmtree

import pytest

from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.whisperx.aligner import WhisperXAligner
from alignment.errors import UnsupportedLanguageError
from tests.alignment.aligners.whisperx.clips import TEXTS, clip

pytestmark = pytest.mark.slow


@pytest.fixture
def in_german(whisperx: WhisperXAligner, tiny_weights: Path, tmp_path: Path) -> WhisperXAligner:
    """Configured for German, with the English alignment model under that name; English has none here."""
    copytree(tiny_weights, tmp_path, dirs_exist_ok=True)
    rmtree(tmp_path / "align" / "en")
    rmtree(tmp_path / "nltk_data/tokenizers/punkt_tab/english")
    return WhisperXAligner(WhisperXConfig(model="tiny-words", language="de", weights=str(tmp_path), threads=1))


def test_language_is_configured_requested_or_detected(whisperx: WhisperXAligner) -> None:
    for language in (None, "en", "EN-us", "auto"):
        assert whisperx.recognise(clip("00"), language).aligner.language == "en"
    with pytest.raises(UnsupportedLanguageError, match="can-ser fetch --language fr"):
        whisperx.recognise(clip("00"), "fr")
    with pytest.raises(UnsupportedLanguageError, match="every language of Whisper"):
        whisperx.align(clip("00"), "one", "xx")


def test_detected_language_without_alignment_model_is_refused(in_german: WhisperXAligner) -> None:
    assert in_german.align(clip("00"), TEXTS["00"]).aligner.language == "de"
    with pytest.raises(UnsupportedLanguageError, match=r"'en, detected with a probability of \d\.\d+,'.* handles de;"):
        in_german.recognise(clip("00"), "auto")


def test_language_without_sentence_ends_is_refused(in_german: WhisperXAligner, tmp_path: Path) -> None:
    """The library would fail in the middle of `align`."""
    with in_german._models.use():
        pass
    (tmp_path / "nltk_data/tokenizers/punkt_tab/german").rename(tmp_path / "elsewhere")
    with pytest.raises(UnsupportedLanguageError, match="can-ser fetch --language de"):
        in_german.recognise(clip("00"))


def test_language_is_checked_without_loading(in_german: WhisperXAligner) -> None:
    for language in (None, "de", "DE-at", "auto"):
        in_german.check_language(language)
    with pytest.raises(UnsupportedLanguageError, match="handles de; `can-ser fetch --language fr`"):
        in_german.check_language("fr")
    assert not in_german.loaded


def test_languages_of_whisper_are_known_once_it_was_loaded(whisperx: WhisperXAligner) -> None:
    whisperx.check_language("en")
    with pytest.raises(UnsupportedLanguageError, match="every language of Whisper"):
        whisperx.check_language("xx")
