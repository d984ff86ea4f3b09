"""Speaker diarization by the real pipeline with weights made here, and errors without the gated ones."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.fetch import fetch_weights
from alignment.aligners.weights.locate import find_missing_diarization
from alignment.aligners.whisperx.diarization import PyannoteDiarizer
from alignment.audio import AudioSource, Waveform, decode_audio
from alignment.errors import DiarizationUnavailableError
from tests.builders import TINY_WHISPERX, tiny_speech
from tests.local_hub import LocalHub, run_hub
from tests.tiny_diarization import write_tiny_pipeline

pytestmark = pytest.mark.slow

GATED = "pyannote/speaker-diarization-community-1"
TURNS = (("00", "04"), ("01", "05"), ("08", "12"), ("09", "13"))
"""Clips of a male and a female voice in turn."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_pipeline(tmp_path_factory.mktemp("diarize") / "tiny")


@pytest.fixture
def config(tmp_path: Path) -> WhisperXConfig:
    return WhisperXConfig(model="tiny-words", weights=str(tmp_path / "weights"), device="cpu", threads=1)


@pytest.fixture
def hub(pipeline: Path) -> Iterator[LocalHub]:
    with run_hub() as running:
        running.add_repository(GATED, pipeline)
        running.gated[GATED] = "hf_token_with_accepted_terms"
        yield running


def missing(config: WhisperXConfig) -> str:
    with pytest.raises(DiarizationUnavailableError) as caught:
        PyannoteDiarizer(config).diarize(Waveform(np.zeros(16_000, np.float32), AudioSource(1.0, 16_000, 1)))
    return str(caught.value)


def fetch(config: WhisperXConfig, hub: LocalHub) -> list[str]:
    here = replace(config, model=str(TINY_WHISPERX / "whisper/tiny-words"), align_model=str(TINY_WHISPERX / "align/en"))
    fetch_weights(here, ["en"], lambda *_: None, hub.sources)
    return fetch_weights(here, ["en"], lambda *_: None, hub.sources, diarize=True)


def test_voices_are_separated_without_network(pipeline: Path, config: WhisperXConfig, connections: list[str]) -> None:
    sounds = [np.concatenate([decode_audio(tiny_speech(name)).samples for name in turn]) for turn in TURNS]
    samples = np.concatenate(sounds)
    before = len(connections)
    diarizer = PyannoteDiarizer(replace(config, diarize_model=str(pipeline)))
    turns = diarizer.diarize(Waveform(samples, AudioSource(len(samples) / 16_000, 16_000, 1)))
    edges = np.cumsum([0, *(len(sound) / 16_000 for sound in sounds)])
    spoken_s = np.zeros((len(TURNS), 2))
    for turn in turns:
        for index, (start_s, end_s) in enumerate(pairwise(edges)):
            overlap_s = min(turn.end_s, end_s) - max(turn.start_s, start_s)
            spoken_s[index, int(turn.speaker.removeprefix("speaker ")) - 1] += max(0.0, overlap_s)
    assert spoken_s.argmax(1).tolist() == [0, 1, 0, 1]
    assert spoken_s.max(1).min() > 1.5
    assert spoken_s.min(1).max() == 0.0
    assert diarizer.diarize(Waveform(np.zeros(48_000, np.float32), AudioSource(3.0, 16_000, 1))) == []
    assert len(connections) == before


def test_missing_weights_name_the_way_out(config: WhisperXConfig) -> None:
    message = missing(config)
    assert f"accept its terms on https://hf.co/{GATED}" in message
    assert "HF_TOKEN=... can-ser fetch --diarize" in message
    assert "speakers=channels" in message
    assert "CAN_WHISPERX__DIARIZE_MODEL" in missing(replace(config, diarize_model="/nowhere/at/all"))


def test_pipeline_that_refers_to_the_hub_is_refused(config: WhisperXConfig, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("pipeline: {params: {segmentation: pyannote/segmentation-3.0}}")
    message = missing(replace(config, diarize_model=str(tmp_path)))
    assert "takes its segmentation from the hub (pyannote/segmentation-3.0)" in message
    (tmp_path / "config.yaml").write_text("pipeline: {params: {plda: $model/plda}}")
    assert "$model/plda, which is not in its folder" in missing(replace(config, diarize_model=str(tmp_path)))


@pytest.mark.parametrize("content", ["", "only: this", "a: [b", "pipeline: {params: 3}", "\x00"])
def test_damaged_configuration_is_refused(config: WhisperXConfig, tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    assert "is no configuration of a pipeline" in missing(replace(config, diarize_model=str(tmp_path)))


def test_damaged_weights_name_the_way_out(config: WhisperXConfig, tmp_path: Path, pipeline: Path) -> None:
    for part in ("segmentation", "embedding", "plda"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "pytorch_model.bin").write_bytes(b"nothing of the kind")
    (tmp_path / "config.yaml").write_text((pipeline / "config.yaml").read_text())
    assert "can-ser fetch --diarize --again" in missing(replace(config, diarize_model=str(tmp_path)))


def test_weights_are_fetched_on_request_with_a_token(
    config: WhisperXConfig, hub: LocalHub, pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_punkt(TINY_WHISPERX / "nltk_data" / "tokenizers" / "punkt_tab")
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "0")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(DiarizationUnavailableError, match="returned 401.*accept its terms.*HF_TOKEN=... can-ser fetch"):
        fetch(config, hub)
    monkeypatch.setenv("HF_TOKEN", hub.gated[GATED])
    assert fetch(config, hub) == [GATED]
    assert find_missing_diarization(config) is None
    fetched = config.folder / "diarize" / "pyannote--speaker-diarization-community-1"
    for path in pipeline.rglob("*.*"):
        assert (fetched / path.relative_to(pipeline)).read_bytes() == path.read_bytes()
    assert not [path for path in config.folder.rglob("*") if path.is_file() and b"hf_token" in path.read_bytes()]
    assert fetch(config, hub) == []
