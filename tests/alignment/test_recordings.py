"""Recordings that decoders cut without a word: joined files, wrong sizes, several chunks of samples, silent tracks."""

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from alignment.audio import Waveform, decode_audio, inspect_audio
from alignment.channels import decode_channels
from alignment.errors import (
    AudioTooLongError,
    DecodingAbandonedError,
    SilentAudioError,
    UndecodableAudioError,
    UnsupportedAudioError,
)
from alignment.joined_files import split_files
from alignment.mp3_frames import FrameScanner
from tests.builders import encode, encode_with_ffmpeg, noise, tone
from tests.mutations import CONTAINERS, clip, whole
from tests.muxing import mux

READ_ON = ("mpegts", "avi", "aac")
"""Formats that FFmpeg reads on by itself."""
SOUND = noise(3.0, rate_hz=48_000)
SILENCE = np.zeros_like(SOUND)
_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


def likeness(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Largest normalised correlation of two sounds over delays of up to 0.1 s."""
    size = min(len(first), len(second)) - 3_200
    pattern = second[1_600 : 1_600 + size]
    windows = np.lib.stride_tricks.sliding_window_view(first, size)[:3_200:2]
    norms = np.linalg.norm(windows, axis=1) * np.linalg.norm(pattern)
    return float((windows @ pattern / norms).max())


def read_from_disk(data: bytes, folder: Path) -> NDArray[np.float32]:
    path = folder / "recording"
    path.write_bytes(data)
    return np.concatenate([*inspect_audio(path, 300.0).read_blocks()])


class TestJoinedFiles:
    @pytest.mark.parametrize("container", CONTAINERS)
    def test_both_files_are_read(self, container: str) -> None:
        data = whole(container)
        alone, both = decode_audio(data), decode_audio(data + data)
        assert both.duration_s == pytest.approx(2 * alone.duration_s, abs=0.005)
        for half in np.array_split(both.samples, 2):
            assert likeness(half, clip()) > 0.7
        assert alone.warnings == ()
        joined = ("2 files were joined in this recording; they were read one after the other",)
        assert both.warnings == (() if container in READ_ON else joined)

    @pytest.mark.parametrize(
        ("first", "second"), [("wav", "mp3"), ("ogg-opus", "m4a"), ("mp3", "flac"), ("webm", "wav"), ("flac", "ogg")]
    )
    def test_files_of_two_formats_are_read(self, first: str, second: str) -> None:
        waveform = decode_audio(whole(first) + whole(second))
        assert waveform.duration_s == pytest.approx(1.6, abs=0.04)
        assert likeness(waveform.samples[-12_800:], clip()) > 0.7

    def test_other_rate_and_channels_are_converted_to_the_first(self) -> None:
        stereo = encode(np.tile(tone(1.0, 440, 44_100)[:, None], (1, 2)), 44_100, container="FLAC")
        waveform = decode_audio(encode(tone(1.0, 440, 8_000), 8_000) + stereo)
        assert (waveform.source.sample_rate_hz, waveform.source.channels) == (8_000, 1)
        assert waveform.duration_s == pytest.approx(2.0, abs=0.01)
        np.testing.assert_allclose(np.abs(waveform.samples).max(), 0.5, atol=0.02)

    def test_each_channel_of_joined_files_is_read(self) -> None:
        stereo = encode(np.stack([noise(1.0), noise(1.0, seed=1)], axis=1))
        waveform = decode_channels(stereo + stereo + stereo)
        assert [len(track) for track in waveform.tracks if track is not None] == [48_000, 48_000]

    def test_file_that_cannot_be_read_is_left_out_with_its_size(self) -> None:
        broken = whole("ogg")[:42] + bytes(300)
        waveform = decode_audio(encode(noise(1.0)) + broken + encode(noise(1.0)))
        assert waveform.duration_s == pytest.approx(2.0)
        assert any("file 2 of them" in each and "left out, 342 bytes" in each for each in waveform.warnings)

    def test_truncated_last_file_is_reported(self) -> None:
        wav = encode(noise(1.0))
        waveform = decode_audio(wav + wav[:20_000])
        assert waveform.duration_s == pytest.approx(1.6, abs=0.05)
        assert any("file 2 of them: the wav file is truncated" in each for each in waveform.warnings)

    def test_longest_audio_holds_for_all_files_together(self) -> None:
        with pytest.raises(AudioTooLongError):
            decode_audio(encode(noise(1.0)) * 4, 3.0)

    def test_number_of_files_is_bounded(self) -> None:
        tiny = encode(noise(0.0, rate_hz=8_000), 8_000)
        waveform = decode_audio(encode(noise(1.0)) + tiny * 3_000)
        assert waveform.duration_s == pytest.approx(1.0)
        assert waveform.warnings[-1] == f"after 200 files, {2_801 * len(tiny):,} bytes were left out"

    def test_decoding_of_many_empty_files_stops_with_the_request(self) -> None:
        calls = iter(range(1_000_000))
        with pytest.raises(DecodingAbandonedError):
            decode_audio(encode(noise(1.0)) + encode(noise(0.0)) * 100, abandoned=lambda: next(calls) >= 2)
        assert next(calls) == 3

    @pytest.mark.parametrize("container", CONTAINERS)
    def test_one_file_is_not_divided(self, container: str) -> None:
        data = whole(container)
        assert split_files(FrameScanner(data)) == [(0, len(data))]

    def test_header_of_the_compressed_file_in_flac_is_no_file(self) -> None:
        flac, note = whole("flac"), b"riffRIFF" + struct.pack("<I", 100) + b"WAVEfmt "
        block = bytes([2]) + len(note).to_bytes(3, "big") + note
        data = flac[:42] + block + flac[42:]
        assert split_files(FrameScanner(data)) == [(0, len(data))]

    def test_file_on_disk_is_read_alike(self, tmp_path: Path) -> None:
        data = whole("mp3") + whole("ogg") + whole("m4a")
        np.testing.assert_array_equal(read_from_disk(data, tmp_path), decode_audio(data).samples)


def with_size(container: str, size: int | None) -> bytes:
    """Two seconds at 16 kHz whose header states another number of bytes of audio; None for all ones."""
    data = bytearray(encode(tone(2.0), container=container, subtype="PCM_16"))
    at, layout, own = {
        "WAV": (data.find(b"data") + 4, "<I", 0),
        "RF64": (data.find(b"ds64") + 16, "<Q", 0),
        "AIFF": (data.find(b"SSND") + 4, ">I", 8),
        "CAF": (data.find(b"data") + 4, ">Q", 4),
        "W64": (data.find(_W64_DATA) + 16, "<Q", 24),
        "AU": (8, ">I", 0),
    }[container]
    field = b"\xff" * struct.calcsize(layout) if size is None else struct.pack(layout, size and size + own)
    data[at : at + len(field)] = field
    return bytes(data)


class TestWrongSizes:
    @pytest.mark.parametrize("container", ["WAV", "RF64", "AIFF", "CAF", "W64", "AU"])
    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            (32_000, "header states 32000 bytes of audio, 64000 follow; all of them were used"),
            (20, "header states 20 bytes of audio, 64000 follow; all of them were used"),
            (0, "states no length"),
            (99_000, "is truncated: its header states 99000 bytes of audio, 64000 remain"),
            (None, "states no length"),
            (64_000, ""),
        ],
    )
    def test_all_samples_are_used(self, container: str, size: int | None, expected: str, tmp_path: Path) -> None:
        data = with_size(container, size)
        waveform = decode_audio(data)
        np.testing.assert_allclose(waveform.samples, tone(2.0), atol=1e-4)
        if (container, size) == ("AU", None):
            expected = ""  # it is the format's own mark of an unknown length
        assert expected in "".join(waveform.warnings)
        assert len(waveform.warnings) == bool(expected)
        np.testing.assert_array_equal(read_from_disk(data, tmp_path), waveform.samples)

    @pytest.mark.parametrize(
        "end",
        [
            b"LIST" + struct.pack("<I", 4_000) + b"INFO" + bytes(3_996),
            b"id3 " + struct.pack("<I", 90_000) + b"ID3" + bytes(9_000),
            b"TAG" + b"x" * 125,
            b"ID3\x03\x00\x00\x00\x00\x20\x00" + b"x" * 4_096,
            bytes(5_000),
        ],
    )
    def test_what_follows_the_samples_is_no_sound(self, end: bytes) -> None:
        waveform = decode_audio(encode(tone(2.0)) + end)
        assert waveform.duration_s == pytest.approx(2.0)
        assert not any("bytes of audio" in each for each in waveform.warnings)

    def test_pieces_of_samples_are_joined(self) -> None:
        wav, piece = encode(tone(2.0)), struct.pack("<I", 32_000)
        note = b"LIST" + struct.pack("<I", 4) + b"INFO"
        data = wav[:40] + piece + wav[44:32_044] + note + b"data" + piece + wav[32_044:]
        waveform = decode_audio(data)
        np.testing.assert_allclose(waveform.samples, tone(2.0), atol=1e-4)
        assert waveform.warnings == ("the wav file holds its audio in 2 pieces; all of them were used",)

    def test_last_piece_with_a_stale_size(self) -> None:
        wav = encode(tone(2.0))
        data = wav[:40] + struct.pack("<I", 32_000) + wav[44:32_044] + b"data" + bytes(4) + wav[32_044:]
        waveform = decode_audio(data)
        np.testing.assert_allclose(waveform.samples, tone(2.0), atol=1e-4)
        assert [each.split(";")[0] for each in waveform.warnings] == [
            "the wav file holds its audio in 2 pieces",
            "the wav header states no length (a stream?)",
        ]

    def test_joined_file_after_a_stale_size(self) -> None:
        waveform = decode_audio(with_size("WAV", 0) + encode(tone(1.0)))
        assert waveform.duration_s == pytest.approx(3.0)


class TestTracks:
    @pytest.mark.parametrize(
        ("container", "codec"),
        [("matroska", "libopus"), ("mp4", "aac"), ("mov", "pcm_s16le"), ("mpegts", "mp2"), ("asf", "libmp3lame")],
    )
    @pytest.mark.parametrize("first", [SILENCE, 1e-4 * SOUND], ids=["silent", "faint"])
    def test_track_with_sound_is_used(
        self, container: str, codec: str, first: NDArray[np.float32], tmp_path: Path
    ) -> None:
        data = mux([first, SOUND], container, codec)
        waveform = decode_audio(data)
        assert waveform.warnings == ("audio track 1 holds no sound; track 2 is used",)
        assert float(np.abs(waveform.samples).max()) > 0.2
        np.testing.assert_array_equal(read_from_disk(data, tmp_path), waveform.samples)

    def test_third_track_is_used_after_two_silent_ones(self) -> None:
        waveform = decode_audio(mux([SILENCE, SILENCE, SOUND], "matroska", "flac"))
        assert waveform.warnings == ("audio track 1 holds no sound; track 3 is used",)

    @pytest.mark.parametrize("tracks", [[SOUND, SILENCE], [0.01 * SOUND, SOUND]])
    def test_first_track_with_sound_is_kept(self, tracks: list[NDArray[np.float32]]) -> None:
        assert decode_audio(mux(tracks, "matroska", "flac")).warnings == ()

    def test_silence_in_all_tracks_is_refused(self) -> None:
        with pytest.raises(SilentAudioError):
            decode_audio(mux([SILENCE, SILENCE], "matroska", "libopus"))

    def test_track_of_an_unknown_codec_is_passed_over(self) -> None:
        data = mux([SOUND, SOUND], "matroska", "libopus")
        waveform = decode_audio(data.replace(b"A_OPUS", b"A_OPUZ", 1))
        assert waveform.warnings == ("audio track 1 holds no sound; track 2 is used",)

    def test_number_of_channels_is_that_of_the_track(self) -> None:
        with pytest.raises(UnsupportedAudioError, match="speaker each is 1"):
            decode_channels(mux([SILENCE, SOUND], "matroska", "flac"))

    def test_opposite_channels_are_two_speakers(self) -> None:
        waveform = decode_channels(encode(np.stack([noise(1.0), -noise(1.0)], axis=1)))
        assert [track is not None for track in waveform.tracks] == [True, True]


def silent_s(waveform: Waveform) -> tuple[float, float]:
    """Start and end of the longest digital silence in seconds."""
    loud = np.flatnonzero(np.abs(waveform.samples) > 1e-3)
    loud = np.concatenate([[0], loud, [len(waveform.samples)]])
    longest = int(np.diff(loud).argmax())
    return float(loud[longest]) / 16_000, float(loud[longest + 1]) / 16_000


class TestTimestamps:
    @pytest.mark.parametrize(
        ("container", "codec"),
        [
            ("webm", "libopus"),
            ("matroska", "flac"),
            ("mp4", "aac"),
            ("mpegts", "mp2"),
            ("flv", "aac"),
            ("asf", "libmp3lame"),
            ("ogg", "libopus"),
            ("ogg", "flac"),
        ],
    )
    def test_pause_becomes_silence(self, container: str, codec: str, tmp_path: Path) -> None:
        data = mux([SOUND], container, codec, shift=lambda time_s: time_s if time_s < 2 else time_s + 3)
        waveform = decode_audio(data)
        assert waveform.duration_s == pytest.approx(6.0, abs=0.06)
        assert silent_s(waveform) == pytest.approx((2.0, 5.0), abs=0.12)
        [warning] = waveform.warnings
        assert warning.startswith("the timestamps leave out 3.0 s (once, at 2.")
        np.testing.assert_array_equal(read_from_disk(data, tmp_path), waveform.samples)

    def test_lost_packets_become_silence(self) -> None:
        data = mux([SOUND], "webm", "libopus", shift=lambda time_s: None if time_s % 1 > 0.7 else time_s)
        waveform = decode_audio(data)
        assert waveform.duration_s == pytest.approx(2.7, abs=0.05)
        [warning] = waveform.warnings
        assert "leave out 0.6 s (in 2 places, the first at 0.7 s)" in warning

    def test_overlap_keeps_all_sound(self) -> None:
        waveform = decode_audio(mux([SOUND], "webm", "libopus", shift=lambda time_s: 0.8 * time_s))
        assert waveform.duration_s == pytest.approx(3.0, abs=0.03)
        [warning] = waveform.warnings
        assert "the timestamps overlap by 0." in warning
        assert "all sound was used" in warning

    def test_leap_beyond_the_end_is_ignored(self) -> None:
        data = mux([SOUND], "webm", "libopus", shift=lambda time_s: time_s if time_s < 2 else time_s + 40_000)
        live = data.replace(b"\x44\x89\x88", b"\xec\x89\x88")  # the length becomes a void element, as in a live file
        waveform = decode_audio(live)
        assert waveform.duration_s == pytest.approx(3.0, abs=0.03)
        assert waveform.warnings == ("the timestamps leap by 40000 s beyond the end of the file, which was ignored",)

    def test_pause_beyond_the_limit_is_too_long(self) -> None:
        data = mux([SOUND], "webm", "libopus", shift=lambda time_s: time_s if time_s < 2 else time_s + 400)
        with pytest.raises(AudioTooLongError):
            decode_audio(data, 300.0)

    def test_sound_that_begins_after_the_video_keeps_its_times(self) -> None:
        waveform = decode_audio(mux([SOUND], "mp4", "aac", shift=lambda time_s: time_s + 1.5, video_s=6))
        assert waveform.duration_s == pytest.approx(4.5, abs=0.06)
        assert waveform.warnings == ("the sound begins 1.5 s after the start of the file; silence comes first",)

    @pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "flac"), ("mpegts", "mp2")])
    def test_longer_video_is_no_cut(self, container: str, codec: str) -> None:
        assert decode_audio(mux([SOUND], container, codec, video_s=9)).warnings == ()


class TestForeignData:
    WEBM = encode_with_ffmpeg(noise(8.0, rate_hz=48_000), "webm", "libopus")

    def refusal(self, data: bytes) -> str:
        with pytest.raises(UndecodableAudioError) as caught:
            decode_audio(data)
        return str(caught.value)

    def test_later_piece_of_a_browser_recording(self) -> None:
        clusters = self.WEBM.split(b"\x1f\x43\xb6\x75")
        block = clusters[1].index(b"\xa3", 60)
        for piece in (b"\x1f\x43\xb6\x75" + clusters[2], clusters[1][block:]):
            assert "only the first piece carries the header" in self.refusal(piece)

    def test_later_page_of_ogg(self) -> None:
        pages = encode(noise(8.0), container="OGG", subtype="OPUS").split(b"OggS")
        assert "only the first piece carries the header" in self.refusal(b"OggS" + b"OggS".join(pages[4:]))

    @pytest.mark.parametrize(
        ("head", "expected"),
        [
            (b"\x1f\x8b\x08" + bytes(200), "compressed by gzip"),
            (b"PK\x03\x04" + bytes(200), "an archive"),
            (b"data:audio/wav;base64," + b"UklGR" * 50, "a data URL"),
            (b"UklGRiT6AQBXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAAZGF0YQD6" * 4, "it is base64"),
            (b"<!DOCTYPE html><html>" + b" " * 200, "a page of HTML"),
            (b'{"error": "no such file"}' + b" " * 200, "it is JSON"),
            (b"\x00\x00\x00\x18moof" + bytes(200), "a fragment of an MP4 file"),
        ],
    )
    def test_other_data_are_named(self, head: bytes, expected: str) -> None:
        assert expected in self.refusal(head)
