"""Recordings in any container, as blocks of raw samples.

libsndfile reads wav, flac, ogg and mp3, FFmpeg other formats (m4a, mp4, webm). Lengths in headers are never trusted
(`alignment.sample_chunks`), and joined files are read one after the other (`alignment.joined_files`).
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final, TypeVar

import numpy as np
import soxr
from numpy.typing import NDArray

from alignment.errors import NoSamplesError, UndecodableAudioError
from alignment.ffmpeg import open_with_ffmpeg
from alignment.foreign_data import explain_data
from alignment.joined_files import MAX_FILES
from alignment.libsndfile import open_with_soundfile
from alignment.parts import Part
from alignment.sample_blocks import BLOCK_SAMPLES, SAMPLE_RATE_BOUNDS_HZ, SampleBlocks

_T = TypeVar("_T")
_TRUNCATED_RATIO: Final = 0.97
Opener = Callable[[Part, int], AbstractContextManager[SampleBlocks]]
"""Opens a file and one of its audio tracks."""


def read_recording(parts: Sequence[Part], use: Callable[[SampleBlocks], _T], track: int = 0) -> _T:
    """Result of `use` on the blocks of a recording, opened by libsndfile, or else by FFmpeg.

    Args:
        parts: Files of the recording.
        use: Receives the format and the blocks; called again with those of FFmpeg where libsndfile finds no sample.
        track: Index of the audio track, in containers that hold several.

    Raises:
        UndecodableAudioError: The bytes are no audio.
        NoSamplesError: See `use`.
    """
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
    """Libraries in the order in which they are tried; FFmpeg alone reads several tracks, and timestamps.

    FFmpeg reads flac in half of the time, and beyond a stated length; libsndfile loses a block of samples where the
    length is unknown or the end is cut.
    """
    if track or part.is_irregular:
        return (open_with_ffmpeg,)
    return (open_with_ffmpeg, open_with_soundfile) if part.is_flac else (open_with_soundfile, open_with_ffmpeg)


@contextmanager
def stream_recording(parts: Sequence[Part], track: int = 0) -> Iterator[SampleBlocks]:
    """Blocks of a recording, as `read_recording` gives them.

    Raises:
        UndecodableAudioError: See `read_recording`.
    """
    with _open_joined(parts, _choose_opener(parts[0], track), track) as opened:
        yield opened


def _choose_opener(part: Part, track: int) -> Opener:
    """The library that reads a file."""
    first, *others = _openers(part, track)
    if others:
        with suppress(UndecodableAudioError), first(part, track) as opened:
            if next(opened.blocks, None) is not None:
                return first
    return others[-1] if others else first


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
    yield np.zeros((0, opened.channels), np.float32)
    with _choose_opener(part, 0)(part, 0) as other:
        low_hz, high_hz = SAMPLE_RATE_BOUNDS_HZ
        if not low_hz <= other.sample_rate_hz <= high_hz:
            raise UndecodableAudioError(f"its sample rate is {other.sample_rate_hz} Hz")
        blocks = (_match_channels(block, opened.channels) for block in _counted(other, other.blocks))
        yield from _match_rate(blocks, other.sample_rate_hz, opened.sample_rate_hz, opened.channels)
        warnings.extend(other.warnings)


def _match_channels(block: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """(samples, channels) of a block with other channels: their average in each."""
    if block.shape[1] == channels:
        return block
    return np.tile(block.mean(axis=1, dtype=np.float32)[:, None], (1, channels))


def _match_rate(
    blocks: Iterator[NDArray[np.float32]], rate_hz: int, wanted_hz: int, channels: int
) -> Iterator[NDArray[np.float32]]:
    """Blocks at another rate, of a bounded size."""
    if rate_hz == wanted_hz:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate_hz, wanted_hz, channels, dtype="float32", quality="HQ")
    length = max(1, BLOCK_SAMPLES * rate_hz // wanted_hz)
    for block in blocks:
        for start in range(0, len(block), length):
            yield stream.resample_chunk(block[start : start + length]).reshape(-1, channels)
    yield stream.resample_chunk(np.zeros((0, channels), np.float32), last=True).reshape(-1, channels)


def _counted(opened: SampleBlocks, blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Yield the blocks of a file, then report where it holds less or more than its header states."""
    samples = 0
    for block in blocks:
        samples += len(block)
        yield block
    duration_s = samples / opened.sample_rate_hz if opened.sample_rate_hz else 0.0
    if not samples or not opened.stated_s or opened.warnings:
        return
    if duration_s < _TRUNCATED_RATIO * opened.stated_s:
        opened.warnings.append(
            f"the file is truncated: its header states {opened.stated_s:.2f} s, it holds {duration_s:.2f} s"
        )
    if _TRUNCATED_RATIO * duration_s > opened.stated_s:
        opened.warnings.append(
            f"the header states {opened.stated_s:.2f} s, the file holds {duration_s:.2f} s; all of it was used"
        )
