"""Chunks of samples in wav, RF64, W64, AIFF, CAF and AU files whose header may be wrong.

A recorder that is ended, a pipe or an editor leaves a size of zero, of all ones, or of an earlier moment; some
recorders write their samples as several chunks. `find_samples` returns the true ranges, and corrections of the header.

Source: the formats' specifications: RIFF (Microsoft, 1991), EBU Tech 3306 (RF64), Sony Wave64, AIFF-C (Apple, 1991),
Core Audio Format (Apple), and `audio.h` of Sun.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Final, Literal

Data = bytes | mmap
Range = tuple[int, int]
_UNKNOWN_LENGTH: Final = 0x7FFF_0000
# A rest of fewer bytes is padding, or a tag.
_MIN_REST_BYTES: Final = 2_048
_MAX_CHUNKS: Final = 1_000
_TAGS: Final = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
_METADATA: Final = frozenset(
    (
        b"LIST",
        b"id3 ",
        b"ID3 ",
        b"bext",
        b"cue ",
        b"smpl",
        b"iXML",
        b"axml",
        b"_PMX",
        b"JUNK",
        b"fact",
        b"PEAK",
        b"inst",
    )
)
_FILES: Final = frozenset((b"RIFF", b"RF64", b"FORM", b"caff", b"riff", b".snd", b"OggS", b"fLaC"))
_W64: Final = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_DATA: Final = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Layout of chunks.

    Attributes:
        name: Name of the format.
        first: Offset of the first chunk.
        data: Identifier of the chunk of samples.
        id_bytes: Length of an identifier.
        size_bytes: Length of a size.
        order: Byte order of sizes.
        counted: Bytes of the chunk's own header that its size counts.
        align: Chunks begin at multiples of it.
        prefix: Bytes of the chunk before the first sample.
        form_size_at: Offset of the size of the whole file; None where there is none.
    """

    name: str
    first: int = 12
    data: bytes = b"data"
    id_bytes: int = 4
    size_bytes: int = 4
    order: Literal["little", "big"] = "little"
    counted: int = 0
    align: int = 2
    prefix: int = 0
    form_size_at: int | None = 4


_RIFF: Final = _Layout("wav")
_LAYOUTS: Final = {
    b"RIFF": _RIFF,
    b"RF64": _Layout("RF64", form_size_at=None),
    b"FORM": _Layout("aiff", data=b"SSND", order="big", prefix=8),
    b"caff": _Layout("caf", first=8, size_bytes=8, order="big", align=1, prefix=4, form_size_at=None),
    b"riff": _Layout("w64", 40, _W64_DATA, 16, 8, counted=24, align=8, form_size_at=16),
}


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk: its identifier, the place of its size, its stated size, and the place of its content."""

    name: bytes
    size_at: int
    size: int
    at: int

    @property
    def end(self) -> int:
        return self.at + self.size


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of a file, as they are and not as the header states.

    Attributes:
        header: Range of everything before the first sample.
        ranges: Ranges of the samples, in order.
        patches: Corrected fields of the header: (offset, bytes).
        warnings: What was wrong.
    """

    header: Range
    ranges: tuple[Range, ...]
    patches: tuple[tuple[int, bytes], ...]
    warnings: tuple[str, ...]


def find_samples(data: Data, start: int, end: int) -> Samples | None:
    """Samples of the file from `start` to `end`; None where its header is right, or it is of another format."""
    if data[start : start + 4] == b".snd":
        return _find_au(data, start, end)
    layout = _LAYOUTS.get(bytes(data[start : start + 4]))
    if layout is None or (layout.name == "w64" and data[start : start + 16] != _W64):
        return None
    chunks = list(_walk(data, start, end, layout))
    sounds = [chunk for chunk in chunks if chunk.name == layout.data]
    if not sounds or sounds[0].at + layout.prefix >= end:
        return None
    last = chunks[-1]
    ranges = [(chunk.at + layout.prefix, min(chunk.end, end)) for chunk in sounds]
    warnings = []
    if len(sounds) > 1:
        warnings.append(f"the {layout.name} file holds its audio in {len(sounds)} pieces; all of them were used")
    if last is sounds[-1]:
        stated = last.size - layout.prefix
        warning = _judge_size(
            layout.name, stated, last.at + layout.prefix, data, end, last.end + last.end % layout.align
        )
        if warning:
            warnings.append(warning)
            ranges[-1] = (last.at + layout.prefix, end)
    if not warnings:
        return None
    size = sum(high - low for low, high in ranges) + layout.prefix
    patches = _patch(start, layout, sounds[0], size, chunks)
    return Samples((start, ranges[0][0]), tuple(ranges), patches, tuple(warnings))


def is_chunked(magic: bytes) -> bool:
    """Whether a file with these first four bytes consists of chunks."""
    return magic in _LAYOUTS


def find_end(data: Data, start: int) -> int:
    """Offset from which data can belong to another file than the one that begins at `start`.

    The end of the chunks where they can be read, and the start of the samples where their size cannot be trusted.
    """
    layout = _LAYOUTS.get(bytes(data[start : start + 4]))
    chunks = list(_walk(data, start, len(data), layout)) if layout else []
    if not chunks:
        return start + 8
    last = chunks[-1]
    return last.at if last.size in (0, 0xFFFF_FFFF) or last.end > len(data) else last.end


def _walk(data: Data, start: int, end: int, layout: _Layout) -> Iterator[_Chunk]:
    """Chunks in order, up to the first that cannot be one; sizes of RF64 come from its chunk ds64."""
    at, long_size = start + layout.first, 0
    head = layout.id_bytes + layout.size_bytes
    for _ in range(_MAX_CHUNKS):
        if at + head > end:
            return
        name = bytes(data[at : at + layout.id_bytes])
        size_at = at + layout.id_bytes
        size = int.from_bytes(data[size_at : at + head], layout.order) - layout.counted
        if name == b"ds64":
            long_size = int.from_bytes(data[at + head + 8 : at + head + 16], "little")
        if layout.name == "RF64" and name == b"data" and size == 0xFFFF_FFFF:
            size = long_size
        chunk = _Chunk(name, size_at, max(0, size), at + head)
        is_data = name == layout.data
        if not is_data and (not _is_name(name, layout) or (chunk.end > end + 1 and name not in _METADATA)):
            return
        yield chunk
        at = chunk.end + (-(chunk.end - start) % layout.align)
        if is_data and chunk.end > end:
            return


def _is_name(name: bytes, layout: _Layout) -> bool:
    """Whether bytes can be the identifier of a chunk, and are not the beginning of a joined file."""
    if layout.id_bytes > 4:
        return name.endswith(layout.data[-12:])
    return name not in _FILES and all(0x20 <= letter <= 0x7E for letter in name)


def _judge_size(name: str, stated: int, at: int, data: Data, end: int, follows_at: int) -> str:
    """Why the stated size of the last chunk is not the length of its samples; "" where it is."""
    actual = end - at
    if actual and (stated <= 0 or stated >= _UNKNOWN_LENGTH) and stated != actual:
        return f"the {name} header states no length (a stream?); all audio in the file was used"
    if stated > actual:
        return f"the {name} file is truncated: its header states {stated} bytes of audio, {actual} remain"
    rest = end - follows_at
    if (
        rest < _MIN_REST_BYTES
        or bytes(data[follows_at : follows_at + 11]).startswith(_TAGS)
        or _is_blank(data, follows_at)
    ):
        return ""
    return f"the {name} header states {stated} bytes of audio, {actual} follow; all of them were used"


def _is_blank(data: Data, at: int) -> bool:
    return not any(data[at : at + _MIN_REST_BYTES])


def _patch(
    start: int, layout: _Layout, sound: _Chunk, size: int, chunks: list[_Chunk]
) -> tuple[tuple[int, bytes], ...]:
    """The fields of the header that state the size of the samples."""
    fits = 256**layout.size_bytes - 1
    patches = [(sound.size_at, min(size + layout.counted, fits).to_bytes(layout.size_bytes, layout.order))]
    if layout.name == "RF64":
        patches = [(chunk.at + 8, size.to_bytes(8, "little")) for chunk in chunks if chunk.name == b"ds64"]
    if layout.form_size_at is not None:
        total = min(sound.at - start + size - (0 if layout.counted else 8), fits)
        patches.append((start + layout.form_size_at, total.to_bytes(layout.size_bytes, layout.order)))
    return tuple(sorted(patches))


def _find_au(data: Data, start: int, end: int) -> Samples | None:
    at = start + int.from_bytes(data[start + 4 : start + 8], "big")
    stated = int.from_bytes(data[start + 8 : start + 12], "big")
    if not start + 24 <= at < end or stated == 0xFFFF_FFFF:
        return None
    warning = _judge_size("au", stated, at, data, end, at + stated)
    if not warning:
        return None
    size = min(end - at, 0xFFFF_FFFE).to_bytes(4, "big")
    return Samples((start, at), ((at, end),), ((start + 8, size),), (warning,))
