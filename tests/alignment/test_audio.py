import io
import time

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from alignment import errors
from alignment.audio import decode_audio
from tests.builders import encode, encode_with_ffmpeg, noise, tone


def strongest_hz(samples: NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * 16_000 / len(samples))


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "PCM_U8"),
        ("WAV", "FLOAT"),
        ("WAV", "DOUBLE"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_formats_of_libsndfile_are_decoded(container: str, subtype: str) -> None:
    waveform = decode_audio(encode(tone(1.0), container=container, subtype=subtype))
    assert waveform.duration_s == pytest.approx(1.0, abs=0.05)
    assert strongest_hz(waveform.samples) == pytest.approx(440, abs=3)
    assert waveform.samples.dtype == np.float32
    assert waveform.warnings == ()


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp4", "aac"), ("ipod", "aac"), ("webm", "libopus"), ("matroska", "flac"), ("adts", "aac")],
)
def test_formats_of_ffmpeg_are_decoded(container: str, codec: str) -> None:
    waveform = decode_audio(encode_with_ffmpeg(tone(1.0, rate_hz=48_000), container, codec))
    assert waveform.duration_s == pytest.approx(1.0, abs=0.1)
    assert strongest_hz(waveform.samples) == pytest.approx(440, abs=3)
    assert waveform.source.sample_rate_hz == 48_000


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_audio_is_resampled_to_16_khz(rate_hz: int) -> None:
    waveform = decode_audio(encode(tone(1.0, rate_hz=rate_hz), rate_hz))
    assert len(waveform.samples) == pytest.approx(16_000, abs=2)
    assert strongest_hz(waveform.samples) == pytest.approx(440, abs=2)
    assert waveform.source.sample_rate_hz == rate_hz


def test_frequencies_above_8_khz_are_filtered_out() -> None:
    waveform = decode_audio(encode(tone(1.0, 11_000, 44_100) + 0.01, 44_100))
    middle = waveform.samples[1_000:-1_000]
    assert np.abs(middle - middle.mean()).max() < 0.001


def test_channels_are_averaged() -> None:
    left, right = tone(1.0, 300), tone(1.0, 900)
    waveform = decode_audio(encode(np.stack((left, right), axis=1), subtype="FLOAT"))
    np.testing.assert_allclose(waveform.samples, (left + right) / 2, atol=1e-6)
    assert waveform.source.channels == 2


def test_long_recording_is_resampled_without_discontinuities() -> None:
    long = tone(20.0, 440, 44_100)
    waveform = decode_audio(encode(long, 44_100))
    expected = tone(20.0, 440, 16_000)
    np.testing.assert_allclose(waveform.samples[500:-500], expected[500:-500], atol=2e-3)


def test_cut_takes_seconds() -> None:
    waveform = decode_audio(encode(noise(1.0)))
    np.testing.assert_array_equal(waveform.cut(0.25, 0.5), waveform.samples[4_000:8_000])
    assert len(waveform.cut(0.9, 5.0)) == 1_600


class TestDamagedFiles:
    def test_truncated_wav_is_decoded_with_a_warning(self) -> None:
        whole = encode(tone(2.0))
        waveform = decode_audio(whole[: len(whole) // 2])
        assert waveform.duration_s == pytest.approx(1.0, abs=0.01)
        assert "truncated: its header states 64000 bytes of audio, 31978 remain" in waveform.warnings[0]

    @pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
    def test_wav_without_length_is_decoded_with_a_warning(self, size: int) -> None:
        data = bytearray(encode(tone(1.0)))
        data[40:44] = size.to_bytes(4, "little")
        waveform = decode_audio(bytes(data))
        assert waveform.duration_s == pytest.approx(1.0)
        assert "states no length" in waveform.warnings[0]

    @pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "OPUS")])
    def test_truncated_compressed_file_gives_a_warning(self, container: str, subtype: str) -> None:
        whole = encode(noise(5.0), container=container, subtype=subtype)
        waveform = decode_audio(whole[: len(whole) * 2 // 3])
        assert 1.0 < waveform.duration_s < 4.5
        assert sum("is truncated" in warning for warning in waveform.warnings) == 1

    def test_samples_beyond_full_scale_are_scaled_with_a_warning(self) -> None:
        waveform = decode_audio(encode(tone(1.0) * 20, subtype="FLOAT"))
        assert np.abs(waveform.samples).max() == pytest.approx(1.0)
        assert "10 times full scale" in waveform.warnings[0]

    def test_values_whose_square_overflows_remain_finite(self) -> None:
        waveform = decode_audio(encode(tone(1.0) * np.float32(1e38), subtype="FLOAT"))
        assert np.isfinite(waveform.samples).all()


class TestRefusals:
    def test_empty_file_is_refused(self) -> None:
        with pytest.raises(errors.EmptyFileError):
            decode_audio(b"")

    @pytest.mark.parametrize(
        "data",
        [
            b"this is a text file named .wav\n" * 40,
            b"RIFF\x24\x00\x00\x00WAVEfmt ",
            bytes(10_000),
            b"%PDF-1.7" + bytes(500),
            b"\x89PNG\r\n\x1a\n" + bytes(500),
        ],
    )
    def test_other_files_are_refused(self, data: bytes) -> None:
        with pytest.raises(errors.UndecodableAudioError):
            decode_audio(data)

    @pytest.mark.parametrize(
        "playlist",
        [
            b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
            b"ffconcat version 1.0\nfile /etc/hostname\n",
        ],
    )
    def test_playlist_is_refused(self, playlist: bytes) -> None:
        with pytest.raises(errors.UndecodableAudioError):
            decode_audio(playlist)

    def test_video_without_audio_is_refused(self) -> None:
        buffer = io.BytesIO()
        import av

        with av.open(buffer, "w", format="mp4") as file:
            stream = file.add_stream("mpeg4", rate=5)
            assert isinstance(stream, av.VideoStream)
            stream.width = stream.height = 16
            file.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
            file.mux(stream.encode(None))
        with pytest.raises(errors.UndecodableAudioError, match="no audio track"):
            decode_audio(buffer.getvalue())

    def test_header_without_samples_is_refused(self) -> None:
        with pytest.raises(errors.NoSamplesError):
            decode_audio(encode(tone(1.0))[:44])

    def test_file_without_samples_is_refused(self) -> None:
        with pytest.raises(errors.NoSamplesError):
            decode_audio(encode(tone(0.0)))

    def test_too_short_audio_is_refused(self) -> None:
        with pytest.raises(errors.AudioTooShortError) as caught:
            decode_audio(encode(tone(0.05)))
        assert caught.value.duration_s == pytest.approx(0.05)

    def test_shortest_audio_is_accepted(self) -> None:
        assert decode_audio(encode(tone(0.1))).duration_s == pytest.approx(0.1)

    def test_digital_silence_is_refused(self) -> None:
        with pytest.raises(errors.SilentAudioError):
            decode_audio(encode(np.zeros(16_000, np.float32)))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_non_finite_samples_are_refused(self, value: float) -> None:
        samples = tone(1.0)
        samples[8_000] = value
        with pytest.raises(errors.NonFiniteAudioError) as caught:
            decode_audio(encode(samples, subtype="FLOAT"))
        assert caught.value.at_s == pytest.approx(0.5)

    def test_too_long_audio_is_refused_whatever_the_header_states(self) -> None:
        data = bytearray(encode(tone(3.0)))
        data[40:44] = (0xFFFFFFFF).to_bytes(4, "little")
        with pytest.raises(errors.AudioTooLongError):
            decode_audio(bytes(data), max_duration_s=2.0)

    def test_decoding_of_ten_compressed_hours_stops_at_the_limit(self) -> None:
        buffer = io.BytesIO()
        with soundfile.SoundFile(buffer, "w", 8_000, 1, format="FLAC", subtype="PCM_16") as file:
            for _ in range(600):
                file.write(np.zeros(480_000, np.int16))
        started = time.process_time()
        with pytest.raises(errors.AudioTooLongError) as caught:
            decode_audio(buffer.getvalue(), max_duration_s=300)
        assert caught.value.duration_s < 320
        assert time.process_time() - started < 5

    @pytest.mark.parametrize(("rate_hz", "channels"), [(2_000, 1), (1_000_000, 1), (16_000, 40)])
    def test_rates_and_channels_out_of_bounds_are_refused(self, rate_hz: int, channels: int) -> None:
        data = encode(np.zeros((2_000, channels), np.float32) + 0.1, rate_hz)
        with pytest.raises(errors.UnsupportedAudioError):
            decode_audio(data)


class TestDamage:
    def test_unknown_codec_is_refused(self) -> None:
        data = encode_with_ffmpeg(noise(2.0), "matroska", "libopus").replace(b"A_OPUS", b"A_OPUZ")
        with pytest.raises(errors.UndecodableAudioError, match="codec"):
            decode_audio(data)

    def test_text_with_the_word_data_is_no_data_chunk(self) -> None:
        wav = encode(noise(1.0))
        note = b"LIST" + (26).to_bytes(4, "little") + b"INFOICMT" + (14).to_bytes(4, "little") + b"my data file!!"
        assert decode_audio(wav[:12] + note + wav[12:]).warnings == ()

    def test_estimated_length_gives_no_warning(self) -> None:
        """FFmpeg estimates the length of raw AAC from its first frames, which are silent here."""
        samples = np.concatenate([np.zeros(96_000, np.float32), noise(4.0, rate_hz=48_000)])
        waveform = decode_audio(encode_with_ffmpeg(samples, "adts", "aac"))
        assert waveform.duration_s == pytest.approx(6.0, abs=0.05)
        assert waveform.warnings == ()

    def test_audio_after_a_damaged_packet_is_decoded(self) -> None:
        data = bytearray(encode_with_ffmpeg(noise(10.0, rate_hz=48_000), "mp4", "aac"))
        at = len(data) // 5
        data[at : at + 200] = np.random.default_rng(0).bytes(200)
        waveform = decode_audio(bytes(data))
        assert waveform.duration_s == pytest.approx(10.0, abs=0.1)
        assert "packets" in waveform.warnings[0]

    def test_stream_that_changes_its_rate_keeps_its_speed(self) -> None:
        first = encode_with_ffmpeg(noise(1.0, rate_hz=48_000), "adts", "aac", 48_000)
        second = encode_with_ffmpeg(noise(1.0, rate_hz=44_100), "adts", "aac", 44_100)
        lengths = [decode_audio(data).duration_s for data in (first, second, first + second)]
        assert lengths[2] == pytest.approx(lengths[0] + lengths[1], abs=0.03)
