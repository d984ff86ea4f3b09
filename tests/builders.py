"""Test data: paths, generated audio, files, words, bundles."""

import io
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from shutil import rmtree
from typing import Any

import av
import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import nn

from alignment.features.encoded import FrontEnd
from alignment.features.extraction import FeatureSpec
from alignment.pipeline import bind_encoder
from alignment.transcripts.words import TimedWord
from model.bundle import Normalisation, Origin
from model.calibration import Calibration, SoundReference
from model.config import NetworkConfig, TrainingConfig
from model.data.embeddings import Embeddings
from model.export.packaging import publish_bundle, write_bundle
from model.network.can import CrossAttentionNetwork
from model.network.ensemble import build_can, members_of
from model.training.experiment import Experiment, TrainedFold
from model.vocabulary import Vocabulary

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
SPEECH = FIXTURES / "speech"
TINY_WHISPERX = FIXTURES / "tiny_whisperx"
LABELS = ("ang", "hap", "sad", "neu")
TINY = NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.0)


def tone(duration_s: float = 1.0, frequency_hz: float = 440.0, rate_hz: int = 16_000) -> NDArray[np.float32]:
    """(samples,) sine at half of full scale."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def noise(duration_s: float = 1.0, seed: int = 0, rate_hz: int = 16_000) -> NDArray[np.float32]:
    """(samples,) white noise at a tenth of full scale."""
    generator = np.random.default_rng(seed)
    return (0.1 * generator.standard_normal(round(duration_s * rate_hz))).astype(np.float32)


def encode(
    samples: NDArray[np.floating], rate_hz: int = 16_000, *, container: str = "WAV", subtype: str | None = None
) -> bytes:
    """Audio file encoded by libsndfile."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format=container, subtype=subtype)
    return buffer.getvalue()


class _Pipe:
    """Output that cannot seek, so that no header is corrected at the end."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()

    def write(self, data: bytes) -> int:
        return self._buffer.write(data)

    def getvalue(self) -> bytes:
        return self._buffer.getvalue()


def encode_with_ffmpeg(
    samples: NDArray[np.float32],
    container: str,
    codec: str,
    rate_hz: int = 48_000,
    *,
    piped: bool = False,
    options: dict[str, str] | None = None,
) -> bytes:
    """Audio file encoded by FFmpeg, of (samples,) or (samples, 2), to a pipe where `piped` is true."""
    buffer = _Pipe() if piped else io.BytesIO()
    layout = "mono" if samples.ndim == 1 else "stereo"
    planes = np.ascontiguousarray(np.atleast_2d(samples.T), np.float32)
    with av.open(buffer, "w", format=container, options=options or {}) as file:
        stream = file.add_stream(codec, rate=rate_hz, layout=layout)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate_hz, frame_size=size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return buffer.getvalue()


def speech(name: str) -> bytes:
    """Clip of tests/fixtures/speech."""
    return (SPEECH / f"{name}.flac").read_bytes()


def spoken_words(name: str) -> list[dict[str, Any]]:
    """Words of a clip of tests/fixtures/speech, with the true start of each where the synthesiser reports it."""
    words: list[dict[str, Any]] = json.loads((SPEECH / "words.json").read_text())[name]
    return words


def tiny_clips() -> dict[str, list[dict[str, Any]]]:
    """Words and their true starts of the short clips of tests/fixtures/tiny_whisperx/speech, by clip name."""
    clips: dict[str, list[dict[str, Any]]] = json.loads((TINY_WHISPERX / "speech" / "words.json").read_text())
    return clips


def tiny_sentences() -> dict[str, dict[str, Any]]:
    """The other clips of that folder by name: language, text with numerals, words as in `tiny_clips`."""
    text = (TINY_WHISPERX / "speech" / "sentences.json").read_text(encoding="utf-8")
    sentences: dict[str, dict[str, Any]] = json.loads(text)
    return sentences


def tiny_speech(name: str) -> bytes:
    """Clip of tests/fixtures/tiny_whisperx/speech."""
    return (TINY_WHISPERX / "speech" / f"{name}.flac").read_bytes()


def timed(*words: tuple[str, float, float]) -> tuple[TimedWord, ...]:
    """Words with times given by the caller."""
    return tuple(TimedWord(word, start_s, end_s, "given") for word, start_s, end_s in words)


def tiny_network(config: NetworkConfig = TINY, words: int = 10, seed: int = 0) -> CrossAttentionNetwork:
    """Small untrained network in evaluation mode."""
    network = tiny_networks(config, words, seed)
    assert isinstance(network, CrossAttentionNetwork)
    return network


def tiny_networks(config: NetworkConfig, words: int = 10, seed: int = 0) -> nn.Module:
    """Small untrained network, or several averaged ones, in evaluation mode."""
    torch.manual_seed(seed)
    table = torch.randn(words + 2, config.embedding_dim)
    table[0] = 0.0
    return build_can(table, len(LABELS), config).eval()


def tiny_front_end(front_end: FrontEnd) -> tuple[NetworkConfig, FeatureSpec]:
    """Network and features of a front end."""
    if front_end == "mfcc":
        return TINY, FeatureSpec()
    features = bind_encoder(FeatureSpec(front_end=front_end, level_db=-26.0))
    return replace(TINY, frame_size=features.frame_size, segment_pooling="statistics"), features


TEMPERED = Calibration(1.5)


def tiny_sound(frame_size: int) -> SoundReference:
    """Sound of training data with frames of mean 0, deviation 4 within a segment and of mean frames of 5."""
    return SoundReference(
        np.zeros(frame_size, np.float32),
        np.full(frame_size, 4.0, np.float32),
        (np.eye(frame_size) / 5).astype(np.float32),
    )


def write_tiny_bundle(
    folder: Path,
    config: NetworkConfig = TINY,
    *,
    alpha: float = 0.1,
    seed: int = 0,
    front_end: FrontEnd = "mfcc",
    calibration: Calibration = TEMPERED,
    sound: SoundReference | None = None,
) -> Path:
    """Bundle of an untrained network with a vocabulary of ten words; other front ends have their own network."""
    features = FeatureSpec()
    if front_end != "mfcc":
        config, features = tiny_front_end(front_end)
    vocabulary = Vocabulary(["the", "children", "are", "playing", "in", "garden", "it", "was", "very", "good"])
    network = tiny_networks(config, len(vocabulary.words), seed)
    embeddings = Embeddings(
        vocabulary, members_of(network)[0].text_encoder.embedding.weight.detach().numpy(), "random", ()
    )
    experiment = Experiment("none", LABELS, features, config, TrainingConfig(alpha=alpha), "random")
    normalisation = Normalisation((0.0,) * config.frame_size, (20.0,) * config.frame_size)
    trained = TrainedFold(network, 0, [], normalisation)
    origin = Origin("nothing: random weights", "Apache-2.0", "random", "2026-01-01")
    write_bundle(folder.parent / "untempered", folder.name, trained, experiment, embeddings, origin, {}, sound)
    publish_bundle(folder.parent / "untempered", folder, calibration, {}, origin)
    rmtree(folder.parent / "untempered")
    return folder
