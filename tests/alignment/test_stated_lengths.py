"""Lengths that a header states wrongly, or not at all: all sound is read, and it is reported."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from alignment.audio import decode_audio, inspect_audio
from alignment.containers import read_part
from alignment.errors import DecodingAbandonedError
from alignment.ogg_pages import has_gap
from alignment.parts import open_parts
from alignment.search_budget import SearchBudget
from tests.builders import encode, encode_with_ffmpeg, noise
from tests.mutations import whole

LENGTH_S = 6.59
SOUND, WIDE = noise(LENGTH_S), noise(LENGTH_S, rate_hz=48_000)
PIPED = {
    "aac": ("adts", "aac"),
    "aiff": ("aiff", "pcm_s16be"),
    "asf": ("asf", "libmp3lame"),
    "au": ("au", "pcm_s16be"),
    "avi": ("avi", "mp3"),
    "caf": ("caf", "pcm_s16le"),
    "flac": ("flac", "flac"),
    "flv": ("flv", "aac"),
    "m4a": ("ipod", "aac"),
    "m4a-alac": ("ipod", "alac"),
    "mkv-flac": ("matroska", "flac"),
    "mkv-pcm": ("matroska", "pcm_s16le"),
    "mov-pcm": ("mov", "pcm_s16le"),
    "mp3": ("mp3", "libmp3lame"),
    "mp4-opus": ("mp4", "libopus"),
    "mpegts": ("mpegts", "mp2"),
    "ogg-flac": ("ogg", "flac"),
    "ogg-opus": ("ogg", "libopus"),
    "w64": ("w64", "pcm_s16le"),
    "wav": ("wav", "pcm_s16le"),
    "wav-ima": ("wav", "adpcm_ima_wav"),
    "wav-ms": ("wav", "adpcm_ms"),
    "wav-ulaw": ("wav", "pcm_mulaw"),
    "webm": ("webm", "libopus"),
}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}


@pytest.mark.parametrize("kind", PIPED)
def test_file_written_to_a_pipe_is_read_to_its_end(kind: str) -> None:
    container, codec = PIPED[kind]
    options = FRAGMENTED if container in ("ipod", "mov", "mp4") else {}
    waveform = decode_audio(encode_with_ffmpeg(WIDE, container, codec, piped=True, options=options))
    assert waveform.duration_s == pytest.approx(LENGTH_S, abs=0.04)
    assert all("states no length (a stream?)" in warning for warning in waveform.warnings)


def with_total(flac: bytes, total: int) -> bytes:
    """A flac file that states another number of samples, in the last 36 of the 64 bits from byte 18 on."""
    fields = int.from_bytes(flac[18:26], "big") >> 36 << 36 | total
    return flac[:18] + fields.to_bytes(8, "big") + flac[26:]


class TestFlac:
    WHOLE = encode(SOUND, container="FLAC")

    @pytest.mark.parametrize("stated", [0, len(SOUND) // 2, len(SOUND) - 100, len(SOUND) + 5_000])
    def test_all_samples_are_read_whatever_is_stated(self, stated: int) -> None:
        waveform = decode_audio(with_total(self.WHOLE, stated))
        np.testing.assert_array_equal(waveform.samples, decode_audio(self.WHOLE).samples)

    @pytest.mark.parametrize(
        ("stated", "expected"),
        [
            (0, ()),
            (len(SOUND) // 2, ("the header states 3.29 s, the file holds 6.59 s; all of it was used",)),
            (2 * len(SOUND), ("the file is truncated: its header states 13.18 s, it holds 6.59 s",)),
        ],
    )
    def test_wrong_length_gives_a_warning(self, stated: int, expected: tuple[str, ...]) -> None:
        assert decode_audio(with_total(self.WHOLE, stated)).warnings == expected

    def test_file_after_a_tag_is_read_to_its_end(self) -> None:
        tag = b"ID3\x03\x00\x00\x00\x00\x00\x20" + bytes(32)
        assert decode_audio(tag + with_total(self.WHOLE, 0)).duration_s == pytest.approx(LENGTH_S)

    def test_joined_files_with_stale_lengths_are_read(self) -> None:
        half = with_total(self.WHOLE, len(SOUND) // 2)
        waveform = decode_audio(encode(noise(1.0)) + half + half)
        assert waveform.duration_s == pytest.approx(1.0 + 2 * LENGTH_S)
        assert [warning.split(":")[0] for warning in waveform.warnings[1:]] == ["file 2 of them", "file 3 of them"]

    def test_cut_file_is_read_to_its_last_whole_frame(self) -> None:
        waveform = decode_audio(self.WHOLE[: len(self.WHOLE) * 2 // 3])
        assert waveform.duration_s == pytest.approx(LENGTH_S * 2 / 3, abs=0.26)
        assert waveform.warnings[-1].startswith("the file is truncated: its header states 6.59 s, it holds 4.")

    def test_truncated_file_is_reported_in_addition_to_its_damage(self) -> None:
        data = encode(noise(4.0), container="FLAC")
        damage, length = decode_audio(data[: len(data) * 65 // 100]).warnings
        assert damage == "the file is damaged: 1 packet could not be decoded and was left out"
        assert re.fullmatch(r"the file is truncated: its header states 4\.00 s, it holds 2\.\d\d s", length)

    def test_damaged_frame_becomes_silence(self) -> None:
        data = bytearray(self.WHOLE)
        data[len(data) // 2 : len(data) // 2 + 300] = np.random.default_rng(0).bytes(300)
        waveform = decode_audio(bytes(data))
        assert waveform.duration_s == pytest.approx(LENGTH_S)
        np.testing.assert_allclose(waveform.samples[-16_000:], decode_audio(self.WHOLE).samples[-16_000:], atol=1e-4)
        [warning] = waveform.warnings
        assert "leave out 0.3 s (once, at 3.1 s)" in warning

    def test_stream_from_its_middle_begins_at_once(self) -> None:
        """Frames keep the numbers that they had in the stream."""
        starts = [match.start() for match in re.finditer(rb"\xff\xf8", self.WHOLE)]
        middle = next(at for at in starts if at > len(self.WHOLE) // 2)
        waveform = decode_audio(with_total(self.WHOLE[: starts[0]], 0) + self.WHOLE[middle:])
        assert 2.0 < waveform.duration_s < LENGTH_S / 2


def bare(samples: NDArray[np.float32], rate_hz: int = 16_000) -> bytes:
    """Frames of mp3 alone, without a header and tags."""
    return encode_with_ffmpeg(samples, "mp3", "libmp3lame", rate_hz, options={"write_xing": "0", "id3v2_version": "0"})


def variable(samples: NDArray[np.float32]) -> bytes:
    """An mp3 file of variable bit rate."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", 16_000, 1, "MPEG_LAYER_III", format="MP3", bitrate_mode="VARIABLE", compression_level=0.5
    ) as file:
        file.write(samples)
    return buffer.getvalue()


def with_count(mp3: bytes, count: int) -> bytes:
    """An mp3 file that states another number of frames."""
    at = max(mp3.find(b"Xing", 0, 300), mp3.find(b"Info", 0, 300)) + 8
    return mp3[:at] + count.to_bytes(4, "big") + mp3[at + 4 :]


class TestMp3:
    LIBSNDFILE = encode(SOUND, container="MP3")
    FFMPEG = encode_with_ffmpeg(SOUND, "mp3", "libmp3lame", 16_000)

    @pytest.mark.parametrize("whole", [LIBSNDFILE, FFMPEG, encode(WIDE, 48_000, container="MP3")])
    def test_right_count_gives_no_warning(self, whole: bytes) -> None:
        waveform = decode_audio(whole)
        assert waveform.duration_s == pytest.approx(LENGTH_S, abs=0.03)
        assert not any("frames" in warning for warning in waveform.warnings)

    @pytest.mark.parametrize("whole", [LIBSNDFILE, FFMPEG])
    @pytest.mark.parametrize("stated", [1, 93, 170])
    def test_frames_beyond_the_stated_count_are_read(self, whole: bytes, stated: int, tmp_path: Path) -> None:
        waveform = decode_audio(with_count(whole, stated))
        assert waveform.duration_s == pytest.approx(LENGTH_S, abs=0.1)
        assert f"the mp3 header states {stated} frames, 18" in waveform.warnings[0]
        (tmp_path / "recording").write_bytes(with_count(whole, stated))
        from_disk = np.concatenate([*inspect_audio(tmp_path / "recording", 300.0).read_blocks()])
        np.testing.assert_array_equal(from_disk, waveform.samples)

    def test_unknown_count_is_reported(self) -> None:
        waveform = decode_audio(with_count(self.LIBSNDFILE, 0))
        assert waveform.duration_s == pytest.approx(LENGTH_S, abs=0.1)
        assert waveform.warnings == ("the mp3 header states no length (a stream?); all audio in the file was used",)

    @pytest.mark.parametrize("first", [LIBSNDFILE, FFMPEG])
    def test_bare_file_joined_to_one_with_a_header_is_read(self, first: bytes) -> None:
        waveform = decode_audio(first + bare(SOUND))
        assert waveform.duration_s == pytest.approx(2 * LENGTH_S, abs=0.2)
        assert "(a joined file?); all were used" in waveform.warnings[0]

    def test_bare_files_at_two_rates_are_read_at_theirs(self) -> None:
        waveform = decode_audio(bare(SOUND) + bare(WIDE, 48_000))
        assert waveform.duration_s == pytest.approx(2 * LENGTH_S, abs=0.2)
        assert waveform.warnings[0].startswith("2 files were joined")

    @pytest.mark.parametrize("order", [1, -1])
    def test_bare_file_of_variable_bit_rate_is_read_to_its_end(self, order: int) -> None:
        """libsndfile estimates its length from the bit rate of the first frame."""
        whole = variable(np.concatenate([noise(2.0), 1e-4 * noise(10.0)])[::order])
        frame = whole.find(whole[:2], 4)
        waveform = decode_audio(whole[frame:])
        assert waveform.duration_s == pytest.approx(12.0, abs=0.15)
        assert waveform.warnings == ()

    def test_damage_does_not_end_the_count(self) -> None:
        data = bytearray(with_count(self.LIBSNDFILE, 120))
        data[9_000:9_700] = bytes(700)
        assert decode_audio(bytes(data)).duration_s == pytest.approx(LENGTH_S, abs=0.3)

    @pytest.mark.parametrize("whole", [LIBSNDFILE, FFMPEG])
    def test_count_that_is_one_too_low_is_corrected_without_a_warning(self, whole: bytes) -> None:
        count = int.from_bytes(whole[(at := max(whole.find(b"Xing"), whole.find(b"Info")) + 8) : at + 4], "big")
        with open_parts(with_count(whole, count - 1)) as [part]:
            assert part.patches[0][1] == count.to_bytes(4, "big")
        waveform = decode_audio(with_count(whole, count - 1))
        assert waveform.duration_s >= decode_audio(whole).duration_s
        assert waveform.warnings == decode_audio(whole).warnings


def with_granule(ogg: bytes, granule: int) -> bytes:
    """An Ogg file whose last page states another time; the checksum is computed bit by bit."""
    at = ogg.rfind(b"OggS")
    page = bytearray(ogg[at:])
    page[6:14], page[22:26] = granule.to_bytes(8, "little", signed=True), bytes(4)
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x1_04C1_1DB7 if value & 0x8000_0000 else 0)) & 0xFFFF_FFFF
    page[22:26] = value.to_bytes(4, "little")
    return ogg[:at] + bytes(page)


class TestOgg:
    @pytest.mark.parametrize("subtype", ["OPUS", "VORBIS"])
    @pytest.mark.parametrize("granule", [-1, 0, 1, 50_000])
    def test_end_before_that_of_an_earlier_page_is_corrected(self, subtype: str, granule: int) -> None:
        data = encode(SOUND, container="OGG", subtype=subtype)
        waveform = decode_audio(with_granule(data, granule))
        assert waveform.duration_s == pytest.approx(LENGTH_S, abs=0.08)
        assert waveform.warnings == (
            "the last page of the ogg file states an earlier end than the page before it; all of it was used",
        )

    def test_search_for_gaps_is_bounded_and_stops_with_the_request(self) -> None:
        head = encode(noise(1.0), container="OGG", subtype="OPUS")
        first = head[: head.find(b"OggS", 4)]
        page = b"OggS\0\0" + (48_000).to_bytes(8, "little") + first[14:18] + bytes(8) + b"\xff" + bytes(255)
        data = first + 8_000 * page
        budget = SearchBudget()
        assert has_gap(data, 0, len(data), budget)
        assert (budget.segments < 0, budget.pages > 190_000) == (True, True)
        with pytest.raises(DecodingAbandonedError):
            has_gap(data, 0, len(data), SearchBudget(lambda: True))
        with open_parts(data, budget=(of_recording := SearchBudget())) as [part]:
            of_recording.abandoned = lambda: True
            with pytest.raises(DecodingAbandonedError):
                read_part(part, lambda opened: opened.channels)

    @pytest.mark.parametrize("kind", ["ogg", "ogg-opus"])
    def test_right_end_is_kept(self, kind: str) -> None:
        waveform = decode_audio(whole(kind))
        assert (round(waveform.duration_s, 3), waveform.warnings) == (0.8, ())


class TestMp4:
    @pytest.mark.parametrize(
        ("container", "codec"), [("ipod", "aac"), ("mp4", "libopus"), ("mov", "pcm_s16le"), ("ipod", "alac")]
    )
    def test_seconds_that_an_edit_list_leaves_out_are_reported(self, container: str, codec: str) -> None:
        data = encode_with_ffmpeg(WIDE, container, codec)
        at = data.find(b"elst") + 12
        edited = data[:at] + (3_295).to_bytes(4, "big") + data[at + 4 :]
        waveform = decode_audio(edited)
        assert waveform.duration_s == pytest.approx(3.3, abs=0.1)
        [warning] = waveform.warnings
        assert warning == "the edit list of the file leaves out 3.3 s of its sound, as in a player"

    @pytest.mark.parametrize("box", [b"mdhd", b"stts"])
    def test_stale_length_is_ignored(self, box: bytes) -> None:
        data = encode_with_ffmpeg(WIDE, "mov", "pcm_s16le")
        at = data.find(box) + (20 if box == b"mdhd" else 12)
        stale = data[:at] + (int.from_bytes(data[at : at + 4], "big") // 2).to_bytes(4, "big") + data[at + 4 :]
        waveform = decode_audio(stale)
        assert waveform.duration_s == pytest.approx(LENGTH_S, abs=0.05)
        assert waveform.warnings == ("the header states 3.29 s, the file holds 6.59 s; all of it was used",)


@pytest.mark.parametrize(("container", "codec"), [("webm", "libopus"), ("matroska", "flac")])
def test_stale_length_of_matroska_is_ignored(container: str, codec: str) -> None:
    data = encode_with_ffmpeg(WIDE, container, codec)
    at = data.find(b"00:00:06.")
    waveform = decode_audio(data[:at] + b"00:00:03" + data[at + 8 :])
    assert waveform.duration_s == pytest.approx(LENGTH_S, abs=0.03)
    assert "all of it was used" in waveform.warnings[0]
