"""Frames of mp3 files: tags at their end, damage between them, and the bounds of the search."""

from itertools import count
from pathlib import Path

import numpy as np
import pytest

from alignment import mp3_frames
from alignment.audio import decode_audio, inspect_audio, probe_audio
from alignment.errors import AlignmentError, DecodingAbandonedError
from alignment.joined_files import split_files
from alignment.mp3_frames import FrameScanner, LengthRepair, repair_length
from alignment.mp3_tags import cut_tags
from alignment.parts import open_parts
from alignment.search_budget import SearchBudget
from tests.alignment.test_stated_lengths import SOUND, WIDE, bare, variable
from tests.builders import encode, encode_with_ffmpeg, noise

FFMPEG = encode_with_ffmpeg(SOUND, "mp3", "libmp3lame", 16_000)


def random_tags(seed: int) -> bytes:
    """An APEv2 tag with a picture of random bytes, and an ID3v1 tag of them."""
    generator = np.random.default_rng(seed)
    key = b"Cover Art (Front)\0cover.png\0" + generator.bytes(3_000)
    item = (len(key) - 18).to_bytes(4, "little") + b"\2\0\0\0" + key
    fields = b"APETAGEX" + b"".join(number.to_bytes(4, "little") for number in (2_000, len(item) + 32, 1))
    header, footer = fields + b"\0\0\0\xa0" + bytes(8), fields + b"\0\0\0\x80" + bytes(8)
    return header + item + footer + b"TAG" + generator.bytes(125)


def open_repair(data: bytes) -> LengthRepair:
    """Length of a file that is the whole recording."""
    repair = repair_length(FrameScanner(data), 0, len(data))
    assert repair is not None
    return repair


def test_other_data_have_no_frames() -> None:
    assert FrameScanner(encode(noise(1.0))).scan(0, 32_044) is None
    assert repair_length(FrameScanner(b"\xff" * 10_000), 0, 10_000) is None


def test_statement_beyond_the_first_frame_is_ignored() -> None:
    """A frame of 24 bytes cannot hold the padding that LAME states."""
    data = bytearray(160)
    data[30:38] = b"Info\0\0\0\x0f"
    for at in range(0, 160, 24):
        data[at : at + 4] = b"\xff\xf3\x14\xc0"
    data[150:154] = b"LAME"
    assert open_repair(bytes(data)).patches == ()
    with pytest.raises(AlignmentError):
        decode_audio(bytes(data))


@pytest.mark.parametrize("seed", range(40))
def test_tags_at_the_end_are_no_frames(seed: int) -> None:
    data = FFMPEG + random_tags(seed)
    repair = open_repair(data)
    assert (repair.end, repair.warnings, repair.is_irregular) == (len(FFMPEG), (), False)
    assert split_files(FrameScanner(data)) == [(0, len(data))]


@pytest.mark.parametrize("seed", range(40))
def test_random_bytes_at_the_end_are_no_file(seed: int) -> None:
    """Tags of an unknown format."""
    data = FFMPEG + np.random.default_rng(seed).bytes(5_000)
    assert split_files(FrameScanner(data)) == [(0, len(data))]


@pytest.mark.parametrize("seed", range(10))
def test_tags_at_the_end_of_a_bare_file_are_no_damage(seed: int) -> None:
    whole = variable(np.concatenate([noise(2.0), 1e-4 * noise(4.0)]))
    frames = whole[whole.find(whole[:2], 4) :]
    waveform = decode_audio(frames + random_tags(seed))
    assert waveform.warnings == ()
    assert waveform.duration_s == pytest.approx(6.0, abs=0.15)


@pytest.mark.parametrize(
    "tag",
    [
        b"TAG" + bytes(125),
        b"x" * 50 + b"APETAGEX" + bytes((0xD0, 7, 0, 0, 82, 0, 0, 0)) + bytes(16),
        b"LYRICSBEGIN" + b"x" * 40 + b"000051LYRICS200",
        b"ID3\x04\0\x10\0\0\1\2" + bytes(130) + b"3DI\x04\0\x10\0\0\1\2",
    ],
)
def test_tag_of_each_format_is_cut(tag: bytes) -> None:
    assert cut_tags(FFMPEG + tag, 0, len(FFMPEG + tag)) == len(FFMPEG)
    both = FFMPEG + tag + b"TAG" + bytes(125)
    assert cut_tags(both, 0, len(both)) == len(FFMPEG)


@pytest.mark.parametrize("size", [0, 31, 2**32 - 1])
def test_tag_with_an_impossible_size_is_kept(size: int) -> None:
    data = FFMPEG + b"APETAGEX" + bytes((0xD0, 7, 0, 0)) + size.to_bytes(4, "little") + bytes(16)
    assert cut_tags(data, 0, len(data)) == len(data)


def test_tagged_file_on_disk_is_read_as_in_memory(tmp_path: Path) -> None:
    (tmp_path / "recording").write_bytes(FFMPEG + random_tags(0))
    from_disk = np.concatenate([*inspect_audio(tmp_path / "recording", 300.0).read_blocks()])
    np.testing.assert_array_equal(from_disk, decode_audio(FFMPEG).samples)


def test_picture_at_the_start_of_a_bare_file_is_no_length() -> None:
    """libsndfile estimates the length from the size of the file."""
    size = bytes((0, 0, 20_000 >> 7, 20_000 & 0x7F))
    cover = b"ID3\x03\0\0" + size + np.random.default_rng(0).bytes(20_000)
    assert decode_audio(cover + bare(SOUND)).warnings == decode_audio(bare(SOUND)).warnings


def test_damage_of_each_kind_has_one_budget_for_the_whole_recording() -> None:
    frames = bare(noise(0.5))
    gap = b"\xff" * 65_000
    budget = SearchBudget()
    repair = repair_length(FrameScanner((frames + gap) * 60, budget), 0, 60 * len(frames + gap))
    assert repair is not None
    assert repair.is_irregular
    assert (budget.gap_bytes, budget.gaps > 900) == (0, True)


def test_scan_stops_with_the_request_inside_a_gap() -> None:
    data = (bare(noise(0.5)) + b"\xff\xfb\x92" * 20_000) * 10
    calls = count()
    scanner = FrameScanner(data, SearchBudget(lambda: next(calls) >= 3))
    with pytest.raises(DecodingAbandonedError):
        scanner.scan(0, len(data))
    assert next(calls) == 4
    assert scanner.budget.gap_bytes == SearchBudget().gap_bytes


def test_scan_of_whole_frames_stops_with_the_request() -> None:
    data = bare(SOUND) * 60
    with pytest.raises(DecodingAbandonedError):
        FrameScanner(data, SearchBudget(lambda: True)).scan(0, len(data))


def test_frames_are_scanned_once() -> None:
    data = bare(SOUND) + bare(WIDE, 48_000)
    with_split, once = SearchBudget(), SearchBudget()
    with open_parts(data, budget=with_split) as parts:
        assert len(parts) == 2
    scan = FrameScanner(data, once).scan(0, len(data))
    assert scan is not None
    assert scan.next_file is not None
    FrameScanner(data, once).scan(scan.next_file, len(data))
    assert with_split.frames == once.frames


def test_probing_scans_no_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recording").write_bytes(FFMPEG)
    read, read_frame = [], mp3_frames._read

    def count_reads(data: bytes, at: int) -> object:
        read.append(at)
        return read_frame(data, at)

    monkeypatch.setattr(mp3_frames, "_read", count_reads)
    probe_audio(tmp_path / "recording")
    assert 0 < len(read) < 10
