import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from alignment.aligners.weights.catalogue import TORCH_ALIGN_MODELS
from alignment.aligners.weights.fetch import SUMS, Sources, fetch_weights
from alignment.aligners.weights.locate import WhisperXConfig, find_align_model, find_missing
from alignment.aligners.whisperx.aligner import WhisperXAligner
from alignment.audio import decode_audio
from alignment.errors import AlignerUnavailableError, FetchError, UnsupportedLanguageError
from tests.builders import TINY_WHISPERX, tiny_speech
from tests.local_hub import COMMIT, LocalHub, run_hub

WHISPER, ALIGN = "Systran/faster-whisper-tiny", "somebody/align"
MODEL_BIN = f"/{WHISPER}/resolve/{COMMIT}/model.bin"
TOKENIZER = f"/{WHISPER}/resolve/{COMMIT}/tokenizer.json"


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
    return fetch_weights(config, languages or ["en"], lambda name, there, total: None, hub.sources, again=again)


def test_what_was_fetched_is_all_that_whisperx_needs(
    config: WhisperXConfig, hub: LocalHub, whisperx: WhisperXAligner
) -> None:
    assert "can-ser fetch --model tiny --language en --align-model somebody/align" in str(refusal(config))
    assert fetch(config, hub) == [WHISPER, ALIGN, "punkt_tab"]
    assert find_missing(config) is None
    sound = decode_audio(tiny_speech("00"))
    assert WhisperXAligner(config).recognise(sound).utterances == whisperx.recognise(sound).utterances


def refusal(config: WhisperXConfig) -> AlignerUnavailableError:
    with pytest.raises(AlignerUnavailableError) as caught:
        WhisperXAligner(config)
    return caught.value


def test_progress_is_told(config: WhisperXConfig, hub: LocalHub) -> None:
    told: list[tuple[str, int, int | None]] = []
    fetch_weights(config, ["en"], lambda *each: told.append(each), hub.sources)
    size = (TINY_WHISPERX / "whisper" / "tiny-words" / "model.bin").stat().st_size
    assert ("model.bin", size, size) in told
    assert all(total is None or there <= total for _, there, total in told)


def test_sums_are_written_down_and_what_is_whole_stays(config: WhisperXConfig, hub: LocalHub) -> None:
    fetch(config, hub)
    for line in (config.folder / SUMS).read_text().splitlines():
        sha256, name = line.split("  ")
        assert hashlib.sha256((config.folder / name).read_bytes()).hexdigest() == sha256
    assert fetch(config, hub) == []
    damaged = config.folder / "whisper" / "tiny" / "model.bin"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert fetch(config, hub) == [WHISPER]
    assert fetch(config, hub, again=True) == [WHISPER, ALIGN, "punkt_tab"]


def test_a_cut_download_goes_on(config: WhisperXConfig, hub: LocalHub) -> None:
    hub.cut.add(MODEL_BIN)
    fetch(config, hub)
    assert find_missing(config) is None
    assert hub.requests.count(MODEL_BIN) == 2


@pytest.mark.parametrize(("path", "reason"), [(MODEL_BIN, "SHA-256"), (TOKENIZER, "not what the hub lists")])
def test_altered_content_is_refused(config: WhisperXConfig, hub: LocalHub, path: str, reason: str) -> None:
    hub.altered.add(path)
    with pytest.raises(FetchError, match=reason):
        fetch(config, hub)
    assert "tiny" in (find_missing(config) or "")
    hub.altered.clear()
    fetch(config, hub)
    assert find_missing(config) is None
    assert hub.requests.count(MODEL_BIN) == 1 + (path == MODEL_BIN)


def test_a_checkpoint_of_torchaudio(config: WhisperXConfig, hub: LocalHub) -> None:
    fetch(config, hub, "en", "de")
    found = find_align_model(config, "de")
    assert found is not None
    assert found.name is None
    assert Path(str(found.torch_folder), TORCH_ALIGN_MODELS["de"].file).read_bytes() == b"a checkpoint"


def test_a_host_that_never_answers_is_given_up(config: WhisperXConfig, hub: LocalHub) -> None:
    hub.mute.set()
    impatient = replace(hub.sources, silence_s=0.2)
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
    nobody = Sources("http://127.0.0.1:9", "http://127.0.0.1:9/", "http://127.0.0.1:9/", 1)
    with pytest.raises(FetchError, match="refused"):
        fetch_weights(config, ["en"], lambda *_: None, nobody)


def test_what_does_not_exist(config: WhisperXConfig, hub: LocalHub) -> None:
    with pytest.raises(FetchError, match="404"):
        fetch(replace(config, model="nobody/nothing"), hub)
    with pytest.raises(AlignerUnavailableError, match="no Whisper model 'enormous'"):
        fetch(replace(config, model="enormous"), hub)
    with pytest.raises(UnsupportedLanguageError, match="--align-model"):
        fetch(replace(config, align_model=""), hub, "xx")


def test_weights_that_somebody_brought_are_left_alone(config: WhisperXConfig, tmp_path: Path) -> None:
    copytree(TINY_WHISPERX, tmp_path / "brought")
    brought = WhisperXConfig(model="tiny-words", weights=str(tmp_path / "brought"))
    nobody = Sources("http://127.0.0.1:9", "http://127.0.0.1:9/", "http://127.0.0.1:9/", 1)
    assert fetch_weights(brought, ["en"], lambda *_: None, nobody) == []
    with pytest.raises(FetchError, match="refused"):
        fetch_weights(brought, ["en", "fr"], lambda *_: None, nobody)
