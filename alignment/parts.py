"""Files inside a recording, as streams for the decoders: joined files one by one, with corrected headers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from io import SEEK_CUR, SEEK_END, BytesIO, RawIOBase
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO, Final, cast

from alignment.errors import EmptyFileError
from alignment.flac_frames import is_complete
from alignment.joined_files import split_files
from alignment.mp3_frames import FrameScanner, repair_length
from alignment.mp3_tags import skip_tag
from alignment.ogg_pages import has_gap, repair_end
from alignment.sample_chunks import Data, Range, find_samples
from alignment.search_budget import SearchBudget

_HEAD_BYTES: Final = 512
_EARLY_END: Final = "the last page of the ogg file states an earlier end than the page before it; all of it was used"


@dataclass(frozen=True)
class Part:
    """A file inside the data of a recording.

    Attributes:
        data: The recording.
        start: Offset of the file.
        end: Offset of its end, of an mp3 file without the tags there.
        ranges: Ranges to read in order; empty for all from `start` to `end`.
        patches: Corrected fields: (offset, bytes), inside the first range.
        warnings: What is wrong with its header.
        has_lost_length: Whether it is an mp3 file that states no length, or holds more than frames.
        states_frames: Whether it is an mp3 file that states the number of its frames.
        budget: Limits of the search in the recording.
    """

    data: Data
    start: int
    end: int
    ranges: tuple[Range, ...] = ()
    patches: tuple[tuple[int, bytes], ...] = ()
    warnings: tuple[str, ...] = ()
    has_lost_length: bool = False
    states_frames: bool = False
    budget: SearchBudget = field(default_factory=SearchBudget, compare=False, repr=False)

    @property
    def head(self) -> bytes:
        """First bytes of the file."""
        return bytes(self.data[self.start : min(self.end, self.start + _HEAD_BYTES)])

    @cached_property
    def is_irregular(self) -> bool:
        """Whether libsndfile would leave out sound, or times that the timestamps of an Ogg file leave out."""
        at = skip_tag(self.data, self.start)
        if bytes(self.data[at : at + 4]) == b"fLaC":
            return not is_complete(self.data, at, self.end)
        return self.has_lost_length or (
            self.head[:4] == b"OggS" and has_gap(self.data, self.start, self.end, self.budget)
        )

    def open(self) -> BinaryIO:
        """Stream of the file with its corrections."""
        if (
            not self.ranges
            and not self.patches
            and isinstance(self.data, bytes)
            and self.end - self.start == len(self.data)
        ):
            return BytesIO(self.data)
        return cast("BinaryIO", _Splice(self.data, [*self._pieces()]))

    def _pieces(self) -> Iterator[Range | bytes]:
        first, *others = self.ranges or ((self.start, self.end),)
        at = first[0]
        for offset, value in self.patches:
            yield at, offset
            yield value
            at = offset + len(value)
        yield at, first[1]
        yield from others


@contextmanager
def open_parts(
    source: bytes | Path,
    split: Callable[[FrameScanner], Sequence[Range]] = split_files,
    budget: SearchBudget | None = None,
) -> Iterator[list[Part]]:
    """Files that a recording in memory or on disk consists of, in order; one for most recordings.

    A recording on disk is mapped and not loaded as a whole.

    Args:
        source: The recording.
        split: Returns the ranges of the files.
        budget: Limits of the search, of which one without frames and pages leaves lengths as they are stated.

    Raises:
        EmptyFileError: There are no bytes.
        DecodingAbandonedError: The request has ended.
        Errors of `split`.
    """
    if not (len(source) if isinstance(source, bytes) else source.stat().st_size):
        raise EmptyFileError()
    if isinstance(source, bytes):
        yield _make_parts(FrameScanner(source, budget), split)
        return
    with source.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as view:
        yield _make_parts(FrameScanner(view, budget), split)


def _make_parts(scanner: FrameScanner, split: Callable[[FrameScanner], Sequence[Range]]) -> list[Part]:
    return [_repair(scanner, start, end) for start, end in split(scanner)]


def _repair(scanner: FrameScanner, start: int, end: int) -> Part:
    data, budget = scanner.data, scanner.budget
    if data[start : start + 4] == b"OggS":
        patches = repair_end(data, start, end, budget)
        return Part(data, start, end, patches=patches, warnings=(_EARLY_END,) if patches else (), budget=budget)
    if (mp3 := repair_length(scanner, start, end)) is not None:
        return Part(data, start, mp3.end, (), mp3.patches, mp3.warnings, mp3.is_irregular, mp3.is_stated, budget)
    samples = find_samples(data, start, end)
    if samples is None:
        return Part(data, start, end, budget=budget)
    ranges = (samples.header, *samples.ranges)
    return Part(data, start, end, ranges, samples.patches, samples.warnings, budget=budget)


class _Splice(RawIOBase):
    """Stream of ranges of data and of bytes in their place."""

    def __init__(self, data: Data, pieces: list[Range | bytes]) -> None:
        self._data, self._pieces, self._at = data, [piece for piece in pieces if _length(piece)], 0
        self._size = sum(_length(piece) for piece in pieces)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        origin = {SEEK_CUR: self._at, SEEK_END: self._size}.get(whence, 0)
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: object) -> int:
        """Fill the buffer as far as there are bytes."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        done, begin = 0, 0
        for piece in self._pieces:
            inside = self._at - begin
            length = _length(piece)
            if 0 <= inside < length and done < len(view):
                taken = self._read(piece, inside, min(length - inside, len(view) - done))
                view[done : done + len(taken)] = taken
                done += len(taken)
                self._at += len(taken)
            begin += length
        return done

    def _read(self, piece: Range | bytes, start: int, count: int) -> bytes:
        if isinstance(piece, bytes):
            return piece[start : start + count]
        return bytes(self._data[piece[0] + start : piece[0] + start + count])


def _length(piece: Range | bytes) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
