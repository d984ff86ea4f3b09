import pytest

from alignment.aligners.moonshine import model_files
from alignment.aligners.selection import choose_aligner
from alignment.aligners.weights import locate
from alignment.aligners.weights.config import WhisperXConfig
from alignment.errors import AlignerUnavailableError


def test_pocketsphinx_is_selected_by_name() -> None:
    aligner = choose_aligner("pocketsphinx", WhisperXConfig())
    assert (aligner.info.name, aligner.info.reason) == ("pocketsphinx", "selected by name")
    aligner.close()


@pytest.mark.usefixtures("empty_caches")
def test_auto_falls_back_and_states_the_reason() -> None:
    aligner = choose_aligner("auto", WhisperXConfig())
    assert aligner.info.name == "moonshine"
    assert "the Whisper weights 'small.en' are not on this machine" in aligner.info.reason
    aligner.close()


@pytest.mark.usefixtures("empty_caches")
def test_auto_without_moonshine_selects_pocketsphinx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "find_spec", lambda name: None)
    aligner = choose_aligner("auto", WhisperXConfig())
    assert aligner.info.name == "pocketsphinx"
    assert "the Whisper weights 'small.en' are not on this machine" in aligner.info.reason
    assert "the package moonshine-voice is not installed" in aligner.info.reason
    aligner.close()


def test_moonshine_by_name_without_its_package_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "find_spec", lambda name: None)
    with pytest.raises(AlignerUnavailableError, match=r"moonshine-voice==0\.0\.73"):
        choose_aligner("moonshine", WhisperXConfig())


@pytest.mark.usefixtures("empty_caches")
def test_whisperx_by_name_without_weights_fails_at_once() -> None:
    with pytest.raises(AlignerUnavailableError, match="can-ser fetch --model small.en --language en"):
        choose_aligner("whisperx", WhisperXConfig())


def test_auto_selects_whisperx_with_weights(local_weights: WhisperXConfig) -> None:
    aligner = choose_aligner("auto", local_weights)
    assert aligner.info.name == "whisperx"
    assert aligner.info.reason.startswith("auto")


def test_auto_without_package(monkeypatch: pytest.MonkeyPatch, local_weights: WhisperXConfig) -> None:
    monkeypatch.setattr(locate, "find_spec", lambda name: None)
    aligner = choose_aligner("auto", local_weights)
    assert "the package whisperx is not installed" in aligner.info.reason
    aligner.close()
