"""Search for joined files: its bounds, and what the files may have."""

import io
from itertools import count
from pathlib import Path

import av
import numpy as np
import pytest

from alignment.audio import decode_audio, probe_audio
from alignment.errors import DecodingAbandonedError, NoSamplesError, UndecodableAudioError
from alignment.joined_files import split_files
from alignment.mp3_frames import FrameScanner
from alignment.search_budget import SearchBudget
from tests.builders import encode, noise
from tests.mutations import whole

MATROSKA = b"\x1a\x45\xdf\xa3" + bytes(range(1, 9)) + b"\x42\x82\x88matroska" + bytes(40)


def surround(codec: str, layout: str) -> bytes:
    """A matroska file of a codec with many channels."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(codec, rate=48_000, layout=layout)
        assert isinstance(stream, av.AudioStream)
        samples = (3_000 * np.random.default_rng(0).standard_normal((1, 4_096 * stream.channels))).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
        frame.sample_rate = 48_000
        for number in range(4):
            frame.pts = 4_096 * number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("channels", [1, 2, 6, 8, 9, 10, 12, 16, 24, 32])
def test_joined_files_of_many_channels_and_two_rates(channels: int) -> None:
    def make(rate_hz: int) -> bytes:
        return encode(np.tile(noise(1.0, rate_hz=rate_hz)[:, None], (1, channels)), rate_hz)

    waveform = decode_audio(make(16_000) + make(8_000))
    assert waveform.source.channels == channels
    assert waveform.duration_s == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(("codec", "layout", "channels"), [("flac", "7.1", 8), ("pcm_s16le", "7.1", 8)])
def test_many_channels_of_other_containers(codec: str, layout: str, channels: int) -> None:
    assert decode_audio(surround(codec, layout)).source.channels == channels


def test_joined_file_at_an_extreme_rate_is_left_out() -> None:
    waveform = decode_audio(encode(noise(1.0)) + encode(noise(1.0), 1_000))
    assert waveform.duration_s == pytest.approx(1.0)
    assert any("the sample rate in Hz is 1000" in warning for warning in waveform.warnings)


@pytest.mark.parametrize("data", [b"fLaC" + b"Info" * 500_000, MATROSKA * 190 + bytes(8_000_000)])
def test_search_of_hostile_data_reads_it_a_bounded_number_of_times(data: bytes) -> None:
    """Every block of 1 MiB is searched once for each signature, of which there are 16."""
    blocks = count()
    split_files(FrameScanner(data, SearchBudget(lambda: next(blocks) < 0)))
    assert next(blocks) <= 16 * (len(data) // 2**20 + 1) + 16 * 200


def test_search_stops_with_the_request() -> None:
    blocks = count()
    with pytest.raises(DecodingAbandonedError):
        decode_audio(whole("flac") + bytes(8_000_000), abandoned=lambda: next(blocks) >= 20)
    assert next(blocks) == 21


def test_large_sparse_file_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "sparse.flac"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises((UndecodableAudioError, NoSamplesError)):
        probe_audio(path)
