"""Recordings in memory or on disk, in any container, as blocks of raw samples.

libsndfile reads wav, flac, ogg and mp3, FFmpeg other formats (m4a, mp4, webm). Lengths in headers are never trusted
(`alignment.sample_chunks`), and joined files are read one after the other (`alignment.joined_files`).
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from alignment import ffmpeg
from alignment.errors import EmptyFileError, NoSamplesError, UndecodableAudioError
from alignment.ffmpeg import Converter, name_layout, open_with_ffmpeg
from alignment.foreign_data import explain_data
from alignment.joined_files import MAX_FILES
from alignment.libsndfile import open_with_soundfile
from alignment.ogg_pages import has_gap
from alignment.parts import Part, open_parts
from alignment.sample_blocks import SampleBlocks

_T = TypeVar("_T")
_TRUNCATED_RATIO: Final = 0.97
Opener = Callable[[Part, int], AbstractContextManager[SampleBlocks]]
"""Opens a file and one of its audio tracks."""


def read_recording(source: bytes | Path, use: Callable[[SampleBlocks], _T], track: int = 0) -> _T:
    """Result of `use` on the blocks of a recording, opened by libsndfile, or else by FFmpeg.

    Args:
        source: The recording.
        use: Receives the format and the blocks; called again with those of FFmpeg where libsndfile finds no sample.
        track: Index of the audio track, in containers that hold several.

    Raises:
        EmptyFileError: There are no bytes.
        UndecodableAudioError: The bytes are no audio.
        NoSamplesError: See `use`.
    """
    if not (len(source) if isinstance(source, bytes) else source.stat().st_size):
        raise EmptyFileError()
    with open_parts(source) as parts:
        first: UndecodableAudioError | NoSamplesError | None = None
        for opener in _openers(parts[0], track):
            try:
                with _open_joined(parts, opener, track) as opened:
                    return use(opened)
            except (UndecodableAudioError, NoSamplesError) as exc:
                failure, first = _combine(first, exc, parts[0]), exc
        raise failure


def _combine(
    first: UndecodableAudioError | NoSamplesError | None, second: UndecodableAudioError | NoSamplesError, part: Part
) -> UndecodableAudioError | NoSamplesError:
    """The error of a file that neither library can read."""
    if isinstance(second, NoSamplesError):
        return second
    if first is None or isinstance(first, NoSamplesError):
        return first or second
    reason = explain_data(part.head) or f"libsndfile: {first.reason} FFmpeg: {second.reason}"
    return UndecodableAudioError(reason)


def _openers(part: Part, track: int) -> tuple[Opener, ...]:
    """Libraries in the order in which they are tried; FFmpeg alone reads several tracks, and timestamps."""
    return (open_with_ffmpeg,) if track or _has_gap(part) else (open_with_soundfile, open_with_ffmpeg)


def _has_gap(part: Part) -> bool:
    return part.head[:4] == b"OggS" and has_gap(part.data, part.start, part.end)


@contextmanager
def stream_recording(source: bytes | Path, track: int = 0) -> Iterator[SampleBlocks]:
    """Blocks of a recording, as `read_recording` gives them.

    Raises:
        EmptyFileError, UndecodableAudioError: See `read_recording`.
    """
    with (
        open_parts(source) as parts,
        _open_joined(parts, _choose_opener(parts[0], _openers(parts[0], track)), track) as opened,
    ):
        yield opened


def _choose_opener(part: Part, openers: Sequence[Opener]) -> Opener:
    """The library that reads a file."""
    if len(openers) > 1:
        with suppress(UndecodableAudioError), open_with_soundfile(part) as opened:
            if next(opened.blocks, None) is not None:
                return open_with_soundfile
    return open_with_ffmpeg


def count_tracks(source: bytes | Path) -> int:
    """Number of audio tracks of a recording; 1 where FFmpeg cannot read it."""
    with open_parts(source) as [part, *_]:
        return ffmpeg.count_tracks(part)


@contextmanager
def _open_joined(parts: Sequence[Part], opener: Opener, track: int) -> Iterator[SampleBlocks]:
    """Blocks of all files of a recording, in the format of the first one."""
    [first, *others] = parts
    with opener(first, track) as opened:
        blocks = opened.blocks = _joined_blocks(opened, opened.blocks, others)
        try:
            yield opened
        finally:
            blocks.close()


def _joined_blocks(
    opened: SampleBlocks, blocks: Iterator[NDArray[np.float32]], others: Sequence[Part]
) -> Generator[NDArray[np.float32]]:
    yield from _counted(opened, blocks)
    if not others:
        return
    opened.warnings.append(f"{len(others) + 1} files were joined in this recording; they were read one after the other")
    for number, part in enumerate(others, start=2):
        if number > MAX_FILES:
            opened.warnings.append(f"after {MAX_FILES} files, {part.end - part.start:,} bytes were left out")
            return
        warnings: list[str] = []
        try:
            yield from _convert_file(part, opened, warnings)
        except UndecodableAudioError as exc:
            warnings = [f"it cannot be read ({exc.reason}) and was left out, {part.end - part.start:,} bytes"]
        opened.warnings.extend(f"file {number} of them: {warning}" for warning in warnings)


def _convert_file(part: Part, opened: SampleBlocks, warnings: list[str]) -> Iterator[NDArray[np.float32]]:
    """Blocks of a joined file in the format of the first one; the first is empty, so that decoding can be stopped."""
    converter = Converter(opened.sample_rate_hz, name_layout(opened.channels))
    yield np.zeros((0, opened.channels), np.float32)
    with _choose_opener(part, (open_with_soundfile, open_with_ffmpeg))(part, 0) as other:
        for block in _counted(other, other.blocks):
            yield from converter.convert_block(block, other.sample_rate_hz, opened.channels)
        yield from converter.finish()
        warnings.extend(other.warnings)


def _counted(opened: SampleBlocks, blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Yield the blocks of a file, then report where it holds less than its header states."""
    samples = 0
    for block in blocks:
        samples += len(block)
        yield block
    duration_s = samples / opened.sample_rate_hz if opened.sample_rate_hz else 0.0
    if samples and not opened.warnings and duration_s < _TRUNCATED_RATIO * opened.stated_s:
        opened.warnings.append(
            f"the file is truncated: its header states {opened.stated_s:.2f} s, it holds {duration_s:.2f} s"
        )
