"""Frames of MPEG audio (mp3, mp2): their number, which a header may state wrongly, and where another file begins.

A file may begin with a frame that states the number of those that follow (Xing, Info, VBRI), and a decoder stops there.
Without it, the length is estimated from the bit rate of the first frame, and a decoder stops there as well.

Source: ISO/IEC 11172-3, 2.4.1.3 and 13818-3, 2.4.2.3 (header of a frame); the headers of Xing and LAME, as mpg123 and
FFmpeg read them.
"""

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, NamedTuple

from alignment.mp3_tags import cut_tags, skip_tag
from alignment.sample_chunks import Data
from alignment.search_budget import SearchBudget
from alignment.timing import LENGTH_RATIO

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
_SYNC: Final = re.compile(rb"\xff(?=[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef])")
_CHECK_FRAMES: Final = 8_192
_CHECK_PLACES: Final = 4_096
_GAP_BYTES: Final = 65_536
"""Longest gap between frames of one file."""
_STATEMENT_BYTES: Final = 64
"""Bytes of the first frame in which the statement of a length begins."""


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
        end: End of the file without the tags at its end.
        next_file: Offset of the first frame of another kind; None where there is none.
        is_constant: Whether all have one bit rate.
        is_broken: Whether bytes between them are no frame, or not all of them were counted.
    """

    count: int
    end: int
    next_file: int | None
    is_constant: bool
    is_broken: bool


@dataclass(frozen=True, slots=True)
class LengthRepair:
    """Length of an mp3 file, and the correction of the one that it states.

    Attributes:
        end: End of the file without the tags at its end.
        patches: Corrected fields: (offset, bytes).
        warnings: What was wrong.
        is_stated: Whether the file states a number of frames; else it is estimated from the size.
        is_irregular: Whether no field can correct it, so that only FFmpeg reads all of the file.
    """

    end: int
    patches: tuple[tuple[int, bytes], ...] = ()
    warnings: tuple[str, ...] = ()
    is_stated: bool = True
    is_irregular: bool = False


@dataclass(frozen=True, slots=True)
class _Statement:
    """Statement of the number of frames: the places of the number and of LAME's padding, and the number; 0 for none."""

    count_at: int
    padding_at: int | None
    count: int


class FrameScanner:
    """Scanner of the frames of a recording, each file of it once.

    Attributes:
        data: The recording.
        budget: Limits of the search.
    """

    def __init__(self, data: Data, budget: SearchBudget | None = None) -> None:
        self.data, self.budget = data, budget or SearchBudget()
        self._scans: dict[int, tuple[int, FrameScan | None]] = {}

    def scan(self, start: int, end: int) -> FrameScan | None:
        """Scan the frames of the kind of the first one; None where no frames begin at `start`.

        Args:
            start: Offset of the first frame.
            end: End of the search, or of the file that an earlier scan from `start` has determined.

        Raises:
            DecodingAbandonedError: The request has ended.
        """
        known_end, known = self._scans.get(start, (-1, None))
        if known is not None and known.next_file == end:
            return replace(known, next_file=None, end=cut_tags(self.data, start, end))
        if known_end != end:
            known = self._scan(start, cut_tags(self.data, start, end))
            self._scans[start] = end, known
        return known

    def _scan(self, start: int, end: int) -> FrameScan | None:
        kind = _find_kind(self.data, start, end)
        if kind is None:
            return None
        at, count, is_broken = start, 0, False
        kbits: set[int] = set()
        while True:
            at, counted = self._count(at, end, kind, kbits)
            count += counted
            if at + 4 > end:
                return FrameScan(count, end, None, len(kbits) == 1, is_broken)
            following = self._find_frames(at, end)
            if following is None:
                return FrameScan(count, end, None, len(kbits) == 1, is_broken or self._is_spent())
            if following[1] != kind:
                return FrameScan(count, end, following[0], len(kbits) == 1, is_broken)
            at, is_broken = following[0], True

    def _count(self, at: int, end: int, kind: int, kbits: set[int]) -> tuple[int, int]:
        """End and number of the frames of a kind from a place on; their bit rates are added to `kbits`."""
        count = 0
        while at + 4 <= end and count < self.budget.frames:
            frame = _read(self.data, at)
            if frame is None or frame.kind != kind:
                break
            count, at = count + 1, at + frame.size
            kbits.add(frame.kbits)
            if not count % _CHECK_FRAMES:
                self.budget.check()
        self.budget.frames -= count
        return at, count

    def _find_frames(self, after: int, end: int) -> tuple[int, int] | None:
        """Offset and kind of the next frames that follow each other, within 64 KiB and the budget."""
        self.budget.check()
        if self._is_spent():
            return None
        self.budget.gaps -= 1
        kind = _find_kind(self.data, after, end)
        if kind is not None:
            return after, kind
        limit = min(end, after + min(_GAP_BYTES, self.budget.gap_bytes))
        for number, match in enumerate(_SYNC.finditer(self.data, after + 1, limit), 1):
            if not number % _CHECK_PLACES:
                self.budget.check()
            kind = _find_kind(self.data, match.start(), end, is_whole=True)
            if kind is not None:
                self.budget.gap_bytes -= match.start() - after
                return match.start(), kind
        self.budget.gap_bytes -= limit - after
        return None

    def _is_spent(self) -> bool:
        return min(self.budget.frames, self.budget.gaps, self.budget.gap_bytes) <= 0


def repair_length(scanner: FrameScanner, start: int, end: int) -> LengthRepair | None:
    """Length of the mp3 file from `start` to `end`; None where it is no mp3 file.

    Raises:
        DecodingAbandonedError: The request has ended.
    """
    first = skip_tag(scanner.data, start)
    scan = scanner.scan(first, end)
    if scan is None:
        return None
    statement = _find_statement(scanner.data, first, scan.end)
    if statement is None:
        return LengthRepair(scan.end, is_stated=False, is_irregular=scan.is_broken or not scan.is_constant)
    if scan.count - 1 <= statement.count:
        return LengthRepair(scan.end, is_irregular=scan.is_broken)
    return _correct(scanner.data, statement, scan)


def _correct(data: Data, statement: _Statement, scan: FrameScan) -> LengthRepair:
    count = scan.count - 1
    patches = [(statement.count_at, count.to_bytes(4, "big"))]
    if (at := statement.padding_at) is not None:
        # The padding is that of the stated end; the true end may have less.
        patches.append((at, bytes((data[at] & 0xF0, 0))))
    return LengthRepair(scan.end, tuple(patches), _describe_length(statement.count, count), is_irregular=scan.is_broken)


def _describe_length(stated: int, count: int) -> tuple[str, ...]:
    """Message about a stated number of frames, unless it differs by a few frames of many."""
    if not stated:
        return ("the mp3 header states no length (a stream?); all audio in the file was used",)
    if stated >= LENGTH_RATIO * count:
        return ()
    return (f"the mp3 header states {stated} frames, {count} follow (a joined file?); all were used",)


def _find_statement(data: Data, at: int, end: int) -> _Statement | None:
    """Statement of the number of frames in the first one; None where there is none, or it leaves out the number."""
    first = _read(data, at)
    end = min(end, at + (first.size if first is not None else 0))
    if data[at + _VBRI_AT : at + _VBRI_AT + 4] == b"VBRI":
        return _read_statement(data, at + _VBRI_AT + 14, None, end)
    match = _XING.search(bytes(data[at : min(end, at + _STATEMENT_BYTES)]), 13)
    if match is None or not match[1][0] & 1:
        return None
    flags, count_at = match[1][0], at + match.end()
    last = count_at + 4 + 4 * bool(flags & 2) + 100 * bool(flags & 4) + 4 * bool(flags & 8)
    return _read_statement(data, count_at, last + 22 if _LAME.match(data, last) else None, end)


def _read_statement(data: Data, count_at: int, padding_at: int | None, end: int) -> _Statement | None:
    """Statement at a place; None where it is not inside the first frame, which ends at `end`."""
    if max(count_at + 4, 0 if padding_at is None else padding_at + 2) > end:
        return None
    return _Statement(count_at, padding_at, int.from_bytes(data[count_at : count_at + 4], "big"))


def _find_kind(data: Data, at: int, end: int, *, is_whole: bool = False) -> int | None:
    """Kind of three frames that follow each other from a place on.

    Args:
        data: The recording.
        at: Offset of the first one.
        end: End of the file.
        is_whole: Whether there must be three; else there may be fewer where the last one reaches the end.
    """
    kind = None
    for _ in range(_CHAIN):
        if kind is not None and at + 4 > end and not is_whole:
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
