"""Frames of MPEG audio (mp3, mp2): their number, which a header may state wrongly, and where another file begins.

A file may begin with a frame that states the number of those that follow (Xing, Info, VBRI), and a decoder stops there.
Without it, the length is estimated from the bit rate of the first frame, and a decoder stops there as well.

Source: ISO/IEC 11172-3, 2.4.1.3 and 13818-3, 2.4.2.3 (header of a frame); the headers of Xing and LAME, as mpg123 and
FFmpeg read them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from alignment.errors import DecodingAbandonedError
from alignment.sample_chunks import Data

TAG: Final = re.compile(rb"ID3[\x02-\x04]\x00[\x00\x10\x20\x40\x80\xc0\xe0][\x00-\x7f]{4}")
_MPEG_1: Final = 3
_RATES_HZ: Final = (44_100, 48_000, 32_000)
_RATE_SHIFTS: Final = {0: 2, 2: 1, _MPEG_1: 0}
_MONO: Final = 3
# Layers are numbered backwards in the header.
_LAYER_1, _LAYER_3 = 3, 1
_KBITS: Final = {
    (True, 3): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_XING: Final = re.compile(rb"(?:Xing|Info)\x00\x00\x00([\x00-\x0f])")
_VBRI_AT: Final = 36
_LAME: Final = re.compile(rb"LAME|Lavc|Lavf|L3\.99|GOGO")
_CHAIN: Final = 3
"""Consecutive frames of one kind that cannot be an accident."""
_MAX_TAG_BYTES: Final = 512
"""Bytes at the end of a file that may be a tag or padding."""
# Eight hours; the length of more frames is not counted.
_MAX_FRAMES: Final = 1_200_000
_CHECK_FRAMES: Final = 8_192
# Of hostile or damaged data.
_MAX_GAP_BYTES: Final = 65_536
_MAX_GAPS: Final = 1_000


class _Frame(NamedTuple):
    """Header of a frame: its length in bytes, bit rate, and a number for version, layer, sample rate and mono."""

    size: int
    kbits: int
    kind: int


@dataclass(frozen=True, slots=True)
class FrameScan:
    """Frames of one kind that follow each other.

    Attributes:
        count: Number of frames.
        next_file: Offset of the first frame of another kind; None where there is none.
        is_constant: Whether all have one bit rate.
        is_broken: Whether bytes between them are no frame, or not all of them were counted.
    """

    count: int
    next_file: int | None
    is_constant: bool
    is_broken: bool


@dataclass(frozen=True, slots=True)
class LengthRepair:
    """Correction of the length that an mp3 file states.

    Attributes:
        patches: Corrected fields: (offset, bytes).
        warnings: What was wrong.
        is_irregular: Whether no field can correct it, so that only FFmpeg reads all of the file.
    """

    patches: tuple[tuple[int, bytes], ...] = ()
    warnings: tuple[str, ...] = ()
    is_irregular: bool = False


@dataclass(frozen=True, slots=True)
class _Statement:
    """Statement of the number of frames: the places of the number and of LAME's padding, and the number; 0 for none."""

    count_at: int
    padding_at: int | None
    count: int


def skip_tag(data: Data, start: int) -> int:
    """End of the ID3 tag at a place, if there is one."""
    if not TAG.match(data, start):
        return start
    high, upper, lower, low = data[start + 6 : start + 10]
    return min(len(data), start + 10 + (high << 21) + (upper << 14) + (lower << 7) + low)


def scan_frames(data: Data, start: int, end: int, abandoned: Callable[[], bool] = lambda: False) -> FrameScan | None:
    """Scan the frames of the kind of the first one; None where no frames begin at `start`.

    Args:
        data: The recording.
        start: Offset of the first frame.
        end: End of the search.
        abandoned: Returns whether the request has ended; called every 8,192 frames.

    Raises:
        DecodingAbandonedError: `abandoned` returned True.
    """
    kind = _find_kind(data, start, end)
    if kind is None:
        return None
    at, count, gaps = start, 0, 0
    kbits: set[int] = set()
    while at + 4 <= end and count < _MAX_FRAMES:
        frame = _read(data, at)
        if frame is not None and frame.kind == kind:
            count, at = count + 1, at + frame.size
            kbits.add(frame.kbits)
            if not count % _CHECK_FRAMES and abandoned():
                raise DecodingAbandonedError()
            continue
        found = _find_frames(data, at, end) if gaps < _MAX_GAPS else None
        if found is None or found[1] != kind:
            return FrameScan(count, found and found[0], len(kbits) == 1, bool(gaps))
        at, gaps = found[0], gaps + 1
    return FrameScan(count, None, len(kbits) == 1, bool(gaps) or count == _MAX_FRAMES)


def repair_length(data: Data, start: int, end: int) -> LengthRepair | None:
    """Correction of the length of the mp3 file from `start` to `end`; None where it is right, or it is no mp3 file."""
    first = skip_tag(data, start)
    scan = scan_frames(data, first, end)
    if scan is None:
        return None
    statement = _find_statement(data, first)
    if statement is None:
        return None if scan.is_constant and not scan.is_broken else LengthRepair(is_irregular=True)
    missing = scan.count - 1 - statement.count
    if missing <= 0:
        return LengthRepair(is_irregular=True) if scan.is_broken else None
    return _correct(data, statement, scan)


def _correct(data: Data, statement: _Statement, scan: FrameScan) -> LengthRepair:
    count = scan.count - 1
    patches = [(statement.count_at, count.to_bytes(4, "big"))]
    if (at := statement.padding_at) is not None:
        # The padding is that of the stated end; the true end may have less.
        patches.append((at, bytes((data[at] & 0xF0, 0))))
    warning = f"the mp3 header states {statement.count} frames, {count} follow (a joined file?); all were used"
    if not statement.count:
        warning = "the mp3 header states no length (a stream?); all audio in the file was used"
    return LengthRepair(tuple(patches), (warning,), scan.is_broken)


def _find_statement(data: Data, at: int) -> _Statement | None:
    """Statement of the number of frames in the first one; None where there is none, or it leaves out the number."""
    if data[at + _VBRI_AT : at + _VBRI_AT + 4] == b"VBRI":
        count_at = at + _VBRI_AT + 14
        return _Statement(count_at, None, int.from_bytes(data[count_at : count_at + 4], "big"))
    frame = bytes(data[at : at + 64])
    found = _XING.search(frame, 13)
    if found is None or not found[1][0] & 1:
        return None
    flags, count_at = found[1][0], at + found.end()
    end = count_at + 4 + 4 * bool(flags & 2) + 100 * bool(flags & 4) + 4 * bool(flags & 8)
    padding_at = end + 22 if _LAME.match(data, end) else None
    return _Statement(count_at, padding_at, int.from_bytes(data[count_at : count_at + 4], "big"))


def _find_frames(data: Data, after: int, end: int) -> tuple[int, int] | None:
    """Offset and kind of the next frames that follow each other, within 64 KiB."""
    at, limit = after - 1, min(end, after + _MAX_GAP_BYTES)
    while (at := data.find(b"\xff", at + 1, limit)) >= 0:
        kind = _find_kind(data, at, end)
        if kind is not None:
            return at, kind
    return None


def _find_kind(data: Data, at: int, end: int) -> int | None:
    """Kind of three frames that follow each other from a place on; of fewer where the file ends with them."""
    kind = None
    for _ in range(_CHAIN):
        if kind is not None and at >= end - _MAX_TAG_BYTES:
            break
        frame = _read(data, at) if at + 4 <= end else None
        if frame is None or kind not in (None, frame.kind):
            return None
        kind, at = frame.kind, at + frame.size
    return kind


def _read(data: Data, at: int) -> _Frame | None:
    """Header of the frame at a place; None where there is none."""
    head = data[at : at + 4]
    if head[0] != 0xFF:
        return None
    frame = _describe(head[1], head[2])
    return frame if frame is None or head[3] >> 6 != _MONO else _as_mono(frame)


@cache
def _describe(second: int, third: int) -> _Frame | None:
    """Frame of more than one channel, by two bytes of its header."""
    version, layer = second >> 3 & 3, second >> 1 & 3
    bitrate, rate, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
    if second < 0xE0 or version not in _RATE_SHIFTS or not layer or bitrate in (0, 15) or rate == 3:
        return None
    kbits = _KBITS[version == _MPEG_1, layer][bitrate]
    rate_hz = _RATES_HZ[rate] >> _RATE_SHIFTS[version]
    halved = layer == _LAYER_3 and version != _MPEG_1
    size = 125 * kbits * (576 if halved else 1_152) // rate_hz + padding
    if layer == _LAYER_1:
        size = 4 * (12_000 * kbits // rate_hz + padding)
    return _Frame(size, kbits, (second & 0x1E) << 8 | third & 0x0C)


@cache
def _as_mono(frame: _Frame) -> _Frame:
    return frame._replace(kind=frame.kind | 1)
