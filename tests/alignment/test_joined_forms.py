"""Track, channels and offset of each file of a recording, and polarity that changes inside a file."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from alignment.audio import decode_audio, inspect_audio
from alignment.channels import decode_channels
from alignment.errors import AudioTooLargeError, AudioTooShortError, SilentAudioError
from tests.builders import encode, encode_with_ffmpeg, noise, speech
from tests.muxing import mux

LEFT, RIGHT = noise(2.0), noise(2.0, seed=1)
JOINED = "2 files were joined in this recording; they were read one after the other"


def stereo(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([left, right], axis=1)


def level(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def read_from_disk(data: bytes, folder: Path) -> NDArray[np.float32]:
    path = folder / "recording"
    path.write_bytes(data)
    return np.concatenate([*inspect_audio(path, 300.0).read_blocks()])


FIRST = {
    "mono": lambda: encode(LEFT),
    "stereo": lambda: encode(stereo(LEFT, LEFT)),
    "opposite": lambda: encode(stereo(LEFT, -LEFT)),
    "mp3": lambda: encode(stereo(LEFT, LEFT), container="MP3"),
    "flac": lambda: encode(LEFT, container="FLAC"),
}


class TestJoinedForms:
    @pytest.mark.parametrize("first", FIRST)
    @pytest.mark.parametrize("container", ["WAV", "FLAC"])
    def test_channels_of_each_file_are_mixed_by_themselves(self, first: str, container: str, tmp_path: Path) -> None:
        data = FIRST[first]() + encode(stereo(LEFT, -LEFT), container=container)
        waveform = decode_audio(data)
        assert waveform.duration_s == pytest.approx(4.0, abs=0.05)
        for half in np.array_split(waveform.samples, 2):
            assert level(half) == pytest.approx(level(LEFT), rel=0.2)
        assert JOINED in waveform.warnings
        assert waveform.warnings[-1] == "file 2 of them: the channels cancel each other; channel 1 is used"
        np.testing.assert_array_equal(read_from_disk(data, tmp_path), waveform.samples)

    def test_track_of_each_file_is_chosen_by_itself(self, tmp_path: Path) -> None:
        sound = noise(2.0, rate_hz=48_000)
        data = encode(LEFT) + mux([np.zeros_like(sound), sound], "matroska", "flac")
        waveform = decode_audio(data)
        assert level(waveform.samples[-30_000:]) > 0.05
        assert waveform.warnings == (JOINED, "file 2 of them: audio track 1 holds no sound; track 2 is used")
        np.testing.assert_array_equal(read_from_disk(data, tmp_path), waveform.samples)

    @pytest.mark.parametrize("rate_hz", [16_000, 44_100])
    def test_offset_of_each_file_is_removed_by_itself(self, rate_hz: int, tmp_path: Path) -> None:
        sound = noise(2.0, rate_hz=rate_hz)
        data = encode(sound - np.float32(0.2), rate_hz) + encode(sound + np.float32(0.2), rate_hz)
        waveform = decode_audio(data)
        for half in np.array_split(waveform.samples, 2):
            assert abs(float(half.mean())) < 1e-3
        assert waveform.warnings == (
            "a constant offset of -0.20 was removed",
            JOINED,
            "file 2 of them: a constant offset of 0.20 was removed",
        )
        np.testing.assert_array_equal(read_from_disk(data, tmp_path), waveform.samples)

    def test_silent_file_keeps_its_length(self) -> None:
        silence = encode(np.zeros(16_000, np.float32))
        assert decode_audio(silence + encode(LEFT)).duration_s == pytest.approx(3.0)
        assert decode_audio(encode(LEFT) + silence).duration_s == pytest.approx(3.0)
        with pytest.raises(SilentAudioError):
            decode_audio(silence + silence)

    def test_short_files_count_together(self) -> None:
        assert decode_audio(encode(noise(0.06)) * 2).duration_s == pytest.approx(0.12)
        with pytest.raises(AudioTooShortError):
            decode_audio(encode(noise(0.03)) * 2)

    def test_samples_of_all_files_are_bounded_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("alignment.mono.MAX_DENSITY_HZ", 20_000)
        monkeypatch.setattr("alignment.mono.MAX_DENSE_SAMPLES", 100_000)
        dense = encode(stereo(LEFT, RIGHT))
        assert decode_audio(dense).duration_s == pytest.approx(2.0)
        with pytest.raises(AudioTooLargeError):
            decode_audio(dense + dense)

    def test_each_speaker_of_joined_files_has_an_own_offset(self) -> None:
        shifted = [encode(stereo(LEFT + np.float32(by), RIGHT)) for by in (-0.2, 0.2)]
        for track in decode_channels(shifted[0] + shifted[1]).tracks:
            assert track is not None
            assert abs(float(track[:32_000].mean())) < 1e-3
            assert abs(float(track[32_000:].mean())) < 1e-3

    def test_mono_file_after_one_with_speakers_is_that_of_each(self) -> None:
        waveform = decode_channels(encode(stereo(LEFT, RIGHT)) + encode(LEFT))
        for track in waveform.tracks:
            assert track is not None
            np.testing.assert_allclose(track[-16_000:], LEFT[-16_000:], atol=1e-3)


def flipped(samples: NDArray[np.float32], places: list[tuple[int, int]]) -> NDArray[np.float32]:
    """Two channels, the second of which has the opposite polarity between places."""
    right = samples.copy()
    for start, end in places:
        right[start:end] *= -1
    return stereo(samples, right)


class TestPolarity:
    SOUND = noise(6.0)

    @pytest.mark.parametrize(
        ("places", "expected"),
        [
            ([(48_000, 96_000)], "the channels cancel each other at 2.5 s; channel 1 is used there"),
            ([(0, 32_000)], "the channels cancel each other at 0.0 s; channel 1 is used there"),
            (
                [(16_000, 32_000), (70_000, 90_000)],
                "the channels cancel each other in 2 places, the first at 0.5 s; the strongest one is used there",
            ),
        ],
    )
    @pytest.mark.parametrize("container", ["WAV", "FLAC"])
    def test_no_sound_is_lost_where_the_polarity_changes(
        self, places: list[tuple[int, int]], expected: str, container: str, tmp_path: Path
    ) -> None:
        data = encode(flipped(self.SOUND, places), container=container)
        waveform = decode_audio(data)
        np.testing.assert_allclose(waveform.samples, self.SOUND - self.SOUND.mean(), atol=1e-3)
        assert waveform.warnings == (expected,)
        np.testing.assert_array_equal(read_from_disk(data, tmp_path), waveform.samples)

    def test_place_inside_a_window_is_found(self) -> None:
        data = encode(flipped(self.SOUND, [(20_000, 50_123)]))
        np.testing.assert_allclose(decode_audio(data).samples, self.SOUND - self.SOUND.mean(), atol=1e-3)

    def test_files_joined_inside_a_stream_are_mixed_by_themselves(self) -> None:
        """Raw AAC states no beginning of a file."""
        wide = noise(3.0, rate_hz=48_000)
        first, second = (encode_with_ffmpeg(stereo(wide, right), "adts", "aac", options={}) for right in (wide, -wide))
        waveform = decode_audio(first + second)
        for half in np.array_split(waveform.samples, 2):
            assert level(half) > 0.05

    def test_offsets_of_channels_make_no_step(self) -> None:
        samples = flipped(self.SOUND, [(48_000, 96_000)]) + np.array([0.2, 0.0], np.float32)
        waveform = decode_audio(encode(samples, subtype="FLOAT"))
        np.testing.assert_allclose(waveform.samples, self.SOUND - self.SOUND.mean(), atol=2e-3)

    def test_opposite_noise_between_words_is_no_cancellation(self) -> None:
        """Codecs leave such noise in pauses."""
        words = decode_audio(speech("garden")).samples.copy()
        words[16_000:32_000] = 0
        pause = 3e-4 * noise(len(words) / 16_000)[: len(words)]
        assert decode_audio(encode(stereo(words + pause, words - pause), subtype="FLOAT")).warnings == ()

    def test_independent_channels_are_averaged(self) -> None:
        waveform = decode_audio(encode(stereo(LEFT, RIGHT), subtype="FLOAT"))
        average = (LEFT + RIGHT) / 2
        np.testing.assert_allclose(waveform.samples, average - average.mean(), atol=1e-6)
        assert waveform.warnings == ()

    def test_speakers_of_channels_get_no_message(self) -> None:
        assert decode_channels(encode(flipped(self.SOUND, [(48_000, 96_000)]))).warnings == ()
