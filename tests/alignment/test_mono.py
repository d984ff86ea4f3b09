"""Constant offsets, channels that cancel each other, and the equality of both ways of decoding."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from alignment import errors
from alignment.audio import decode_audio, inspect_audio
from alignment.channels import decode_channels
from tests.builders import encode, encode_with_ffmpeg, noise, speech, tone

OFFSET_REMOVED = "a constant offset of 0.10 was removed"
CANCELLED = "the channels cancel each other; channel {} is used"


def stereo(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack((left, right), axis=1)


def with_offset(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return samples + np.float32(0.1)


def garden() -> NDArray[np.float32]:
    return decode_audio(speech("garden")).samples


class TestOffset:
    @pytest.mark.parametrize("rate_hz", [16_000, 44_100])
    def test_offset_is_removed_with_a_warning(self, rate_hz: int) -> None:
        samples = noise(5.0, rate_hz=rate_hz)
        plain = decode_audio(encode(samples, rate_hz, subtype="FLOAT"))
        offset = decode_audio(encode(with_offset(samples), rate_hz, subtype="FLOAT"))
        np.testing.assert_allclose(offset.samples, plain.samples, atol=1e-5)
        assert (plain.warnings, offset.warnings) == ((), (OFFSET_REMOVED,))

    def test_small_offset_is_removed_without_a_warning(self) -> None:
        waveform = decode_audio(encode(noise(1.0) + np.float32(5e-4), subtype="FLOAT"))
        assert abs(waveform.samples.mean()) < 1e-6
        assert waveform.warnings == ()

    def test_offset_is_relative_to_the_scale_of_the_file(self) -> None:
        waveform = decode_audio(encode(with_offset(tone(1.0)) * 32_768, subtype="FLOAT"))
        assert abs(waveform.samples.mean()) < 1e-6
        assert waveform.warnings[1] == "a constant offset of 0.17 was removed"

    @pytest.mark.parametrize("rate_hz", [8_000, 16_000])
    @pytest.mark.parametrize("value", [0.1, 1e-4, -1.0])
    def test_constant_samples_are_silence(self, value: float, rate_hz: int) -> None:
        with pytest.raises(errors.SilentAudioError, match="microphone"):
            decode_audio(encode(np.full(rate_hz, value, np.float32), rate_hz, subtype="FLOAT"))

    def test_offset_of_each_channel_is_removed(self) -> None:
        samples = stereo(with_offset(noise(1.0)), noise(1.0, 1) - np.float32(0.3))
        for track in decode_channels(encode(samples)).tracks:
            assert track is not None
            assert abs(track.mean()) < 1e-4


class TestCancellingChannels:
    def test_opposite_phase_uses_the_first_channel(self) -> None:
        samples = garden()
        waveform = decode_audio(encode(stereo(samples, -samples), subtype="FLOAT"))
        np.testing.assert_allclose(waveform.samples, samples, atol=1e-6)
        assert waveform.warnings == (CANCELLED.format(1),)

    def test_louder_channel_is_used(self) -> None:
        samples = garden()
        waveform = decode_audio(encode(stereo(-0.8 * samples, samples), subtype="FLOAT"))
        np.testing.assert_allclose(waveform.samples, samples, atol=1e-6)
        assert waveform.warnings == (CANCELLED.format(2),)

    def test_offset_does_not_hide_the_cancellation(self) -> None:
        samples = garden()
        waveform = decode_audio(encode(with_offset(stereo(samples, -samples)), subtype="FLOAT"))
        np.testing.assert_allclose(waveform.samples, samples, atol=1e-5)
        assert waveform.warnings == (OFFSET_REMOVED, CANCELLED.format(1))

    @pytest.mark.parametrize(
        "right", [garden(), noise(1.0), np.zeros(1, np.float32), -0.2 * garden()], ids=["copy", "other", "none", "weak"]
    )
    def test_other_channels_are_averaged(self, right: NDArray[np.float32]) -> None:
        samples = garden()
        second = np.resize(right, len(samples))
        waveform = decode_audio(encode(stereo(samples, second), subtype="FLOAT"))
        average = (samples + second) / 2
        np.testing.assert_allclose(waveform.samples, average - average.mean(), atol=1e-5)
        assert waveform.warnings == ()

    def test_one_of_thirty_two_channels_is_averaged(self) -> None:
        samples = np.zeros((16_000, 32), np.float32)
        samples[:, 7] = noise(1.0)
        assert decode_audio(encode(samples)).warnings == ()

    def test_each_channel_is_a_track(self) -> None:
        samples = garden()
        waveform = decode_channels(encode(stereo(samples, -samples), subtype="FLOAT"))
        assert waveform.warnings == ()
        for track, expected in zip(waveform.tracks, (samples, -samples), strict=True):
            assert track is not None
            np.testing.assert_allclose(track, expected, atol=1e-6)

    def test_constant_channel_is_no_track(self) -> None:
        waveform = decode_channels(encode(stereo(noise(1.0), np.full(16_000, 0.1, np.float32))))
        assert [track is None for track in waveform.tracks] == [False, True]


FILES = {
    "plain": lambda: speech("garden"),
    "offset": lambda: encode(with_offset(noise(3.0, rate_hz=44_100)), 44_100),
    "small-offset": lambda: encode(noise(3.0, rate_hz=44_100) + np.float32(5e-4), 44_100),
    "opposite": lambda: encode(with_offset(stereo(noise(9.0), -noise(9.0))), 48_000, container="FLAC"),
    "average": lambda: encode(stereo(noise(9.0), noise(9.0, 1)), 44_100),
    "loud": lambda: encode(with_offset(noise(3.0)) * 100, subtype="FLOAT"),
    "telephone": lambda: encode(noise(70.0, rate_hz=8_000), 8_000, subtype="ULAW"),
    "ffmpeg": lambda: encode_with_ffmpeg(with_offset(noise(3.0, rate_hz=48_000)), "mp4", "aac"),
}


@pytest.mark.parametrize("kind", FILES)
def test_blocks_from_disk_are_the_samples_in_memory(kind: str, tmp_path: Path) -> None:
    data = FILES[kind]()
    (tmp_path / "recording").write_bytes(data)
    waveform, audio = decode_audio(data), inspect_audio(tmp_path / "recording", 300.0)
    np.testing.assert_array_equal(np.concatenate(list(audio.read_blocks())), waveform.samples)
    assert (audio.source, audio.warnings, audio.quality) == (waveform.source, waveform.warnings, waveform.quality)


def test_silence_on_disk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "constant.wav").write_bytes(encode(np.full((16_000, 2), 0.1, np.float32)))
    with pytest.raises(errors.SilentAudioError):
        inspect_audio(tmp_path / "constant.wav", 300.0)


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    """Twenty minutes are 77 MB; a minute and its copies are kept for the quality."""
    path = tmp_path / "long.wav"
    path.write_bytes(encode(np.tile(with_offset(noise(60.0)), 20)))
    tracemalloc.start()
    try:
        audio = inspect_audio(path, 2_000.0)
        assert sum(map(len, audio.read_blocks())) == 16_000 * 1_200
        assert tracemalloc.get_traced_memory()[1] < 35e6
    finally:
        tracemalloc.stop()
