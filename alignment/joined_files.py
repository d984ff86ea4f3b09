"""Recordings that were joined by writing one file after the other (`cat a.ogg b.ogg`).

A decoder stops at the end of the first file, or reads the header of the second one as sound. The files are found by
their signatures, from the end of the first file on where its structure shows it, else after its header. A signature has
at least 48 fixed bits. An mp3 file without one is found where the format of the frames changes. Searches go block by
block, because they hold the interpreter lock, and can be stopped there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from alignment.mp3_frames import FrameScanner
from alignment.mp3_tags import TAG, skip_tag
from alignment.sample_chunks import Data, Range, find_end, is_chunked

MAX_FILES: Final = 200
"""Files that are decoded; each one costs time whatever its length."""
_BLOCK_BYTES: Final = 1 << 20
# Of hostile files; a recording of hours has fewer.
_MAX_HEADERS: Final = 1_000
_MAX_BOXES: Final = 30_000
_MAX_CANDIDATES: Final = 10_000
# A sparse file of a terabyte would be read for hours; recordings of jobs have at most 1 GB by default.
_MAX_SEARCHED_BYTES: Final = 2 * 2**30
_EBML: Final = b"\x1a\x45\xdf\xa3"
_CONTAINERS: Final = (_EBML, b"FLV\x01", b"\x30\x26\xb2\x75")
"""Starts of containers whose mp3 track may begin with the statement of a length."""
# The first frame of an mp3 file may state the length, which no other frame does.
_FIRST_FRAME_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class _Signature:
    """Signature of the start of a file.

    Attributes:
        word: Bytes to search for.
        forms: The whole signature, and the bytes of it before the word, in each form that it can have.
    """

    word: bytes
    forms: tuple[tuple[int, re.Pattern[bytes]], ...]


def _make_signature(word: bytes, *forms: tuple[int, bytes]) -> _Signature:
    return _Signature(word, tuple((ahead, re.compile(pattern, re.DOTALL)) for ahead, pattern in forms))


_CLUSTER: Final = _make_signature(b"\x1f\x43\xb6\x75", (0, b"\x1f\x43\xb6\x75"))
_SIGNATURES: Final = (
    _make_signature(b"WAVE", (8, rb"R(?:IFF|F64).{4}WAVE[\x20-\x7e]{4}")),
    _make_signature(b"AIF", (8, rb"FORM.{4}AIF[CF][A-Z]{4}")),
    _make_signature(b"riff\x2e\x91", (0, rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb")),
    _make_signature(b"caff\x00", (0, rb"caff\x00[\x01\x02]\x00\x00desc")),
    _make_signature(
        b".snd\x00\x00", (0, rb"\.snd\x00\x00.{2}.{4}\x00\x00\x00[\x01-\x20]\x00[\x00-\x0b].{2}\x00\x00\x00[\x01-\x20]")
    ),
    _make_signature(b"fLaC", (0, rb"fLaC[\x00\x80]\x00\x00\x22")),
    _make_signature(b"OggS\x00\x02", (0, rb"OggS\x00\x02\x00{8}")),
    _make_signature(b"\x1a\x45\xdf\xa3", (0, rb"\x1a\x45\xdf\xa3.{1,60}?\x42\x82[\x80-\x90](?:webm|matroska)")),
    _make_signature(b"ftyp", (4, rb"\x00\x00\x00[\x10-\x80]ftyp[\x20-\x7e]{4}\x00")),
    _make_signature(b"FLV\x01", (0, rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09")),
    _make_signature(b"\x30\x26\xb2\x75", (0, rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c")),
    _make_signature(b"#!AMR", (0, rb"#!AMR(?:-WB)?\n")),
)
_FIRST_FRAMES: Final = (13, 21, 36)
"""Bytes of the first frame of an mp3 file before the word that says that it states the length."""
_MP3_SIGNATURES: Final = (
    _Signature(b"ID3", ((0, TAG),)),
    *(
        _make_signature(
            word,
            *(
                (ahead, rb"\xff[\xe2-\xff].{2}\x00{" + str(ahead - 4).encode() + b"}" + word + rb"\x00{3}")
                for ahead in _FIRST_FRAMES
            ),
        )
        for word in (b"Xing", b"Info")
    ),
)


def split_files(scanner: FrameScanner) -> list[Range]:
    """Ranges of the files that the data hold; one, from 0 to the end, for most data, and for more than 2 GiB.

    Args:
        scanner: Scanner of the recording; `abandoned` of its budget is called once for each MiB and signature.

    Raises:
        DecodingAbandonedError: `abandoned` returned True.
    """
    data = scanner.data
    if len(data) > _MAX_SEARCHED_BYTES:
        return [(0, len(data))]
    starts, search = [0], _Search(scanner)
    while len(starts) <= MAX_FILES and (start := _find_next(scanner, starts[-1], search)) is not None:
        starts.append(start)
    return list(zip(starts, [*starts[1:], len(data)], strict=True))


def _find_next(scanner: FrameScanner, start: int, search: "_Search") -> int | None:
    """Start of the file after the one that begins at `start`."""
    data = scanner.data
    at = skip_tag(data, start)
    after = _skip_header(data, at, search)
    signatures = _SIGNATURES if data[at : at + 4] in _CONTAINERS else (*_SIGNATURES, *_MP3_SIGNATURES)
    next_start = min(search.find(signature, after) for signature in signatures)
    scan = scanner.scan(at, next_start)
    if scan is not None and scan.next_file is not None:
        return scan.next_file
    return next_start if next_start < len(data) else None


class _Search:
    """Places of the signatures, in ascending order: every byte is searched once for each signature."""

    def __init__(self, scanner: FrameScanner) -> None:
        self._data, self._budget = scanner.data, scanner.budget
        self._starts: dict[_Signature, int] = {}

    def find(self, signature: _Signature, after: int) -> int:
        """First place from `after` on that has a signature; the end of the data where there is none."""
        if self._starts.get(signature, -1) < after:
            self._starts[signature] = next(self._places(signature, after), len(self._data))
        return self._starts[signature]

    def _places(self, signature: _Signature, after: int) -> Iterator[int]:
        nearest = after + min(ahead for ahead, _ in signature.forms)
        for at in islice(self._find_words(nearest, signature.word), _MAX_CANDIDATES):
            for ahead, pattern in signature.forms:
                if at - ahead >= after and pattern.match(self._data, at - ahead):
                    yield at - ahead

    def _find_words(self, after: int, word: bytes) -> Iterator[int]:
        for block in range(after, len(self._data), _BLOCK_BYTES):
            self._budget.check()
            at, limit = block, block + _BLOCK_BYTES + len(word) - 1
            while (at := self._data.find(word, at, limit)) >= 0:
                yield at
                at += 1


def _skip_header(data: Data, start: int, search: _Search) -> int:
    """Offset from which a signature belongs to another file."""
    magic = bytes(data[start : start + 4])
    if magic == b"fLaC":
        return _skip_flac(data, start + 4)
    if magic == b"OggS":
        return _skip_ogg(data, start)
    if magic == _EBML:
        # The private data of a codec hold the header of a flac file.
        cluster = search.find(_CLUSTER, start)
        return cluster if cluster < len(data) else start + 8
    if data[start + 4 : start + 8] == b"ftyp":
        return _skip_boxes(data, start)
    return find_end(data, start) if is_chunked(magic) else start + _FIRST_FRAME_BYTES


def _skip_flac(data: Data, at: int) -> int:
    """End of the blocks of metadata, which may hold the header of the wav file that was compressed."""
    for _ in range(_MAX_HEADERS):
        if at + 4 > len(data):
            break
        is_last, size = data[at] & 0x80, int.from_bytes(data[at + 1 : at + 4], "big")
        at += 4 + size
        if is_last:
            break
    return min(at, len(data))


def _skip_ogg(data: Data, at: int) -> int:
    """Start of the first page that does not begin a stream: the streams of one file begin one after the other."""
    for _ in range(_MAX_HEADERS):
        if data[at : at + 4] != b"OggS" or at + 27 > len(data) or not data[at + 5] & 2:
            break
        segments = data[at + 26]
        at += 27 + segments + sum(data[at + 27 : at + 27 + segments])
    return at


def _skip_boxes(data: Data, start: int) -> int:
    """End of the boxes of an mp4 file, up to the next one that begins a file."""
    at = start
    for _ in range(_MAX_BOXES):
        if at + 8 > len(data) or (at > start and data[at + 4 : at + 8] == b"ftyp"):
            break
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8 or not all(0x20 <= letter <= 0x7E or letter == 0xA9 for letter in name):
            break
        at += size
    return max(start + 8, min(at, len(data)))
