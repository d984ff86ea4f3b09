"""Files in any container, as blocks of raw samples.

libsndfile reads wav, flac, ogg and mp3, FFmpeg other formats (m4a, mp4, webm), and what libsndfile would leave out.
Lengths in headers are never trusted (`alignment.sample_chunks`, `mp3_frames`, `flac_frames`, `ogg_pages`).
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from alignment.errors import NoSamplesError, UndecodableAudioError
from alignment.ffmpeg import open_with_ffmpeg
from alignment.foreign_data import explain_data
from alignment.libsndfile import open_with_soundfile
from alignment.parts import Part
from alignment.sample_blocks import SampleBlocks
from alignment.timing import LENGTH_RATIO

_T = TypeVar("_T")
Opener = Callable[[Part, int], AbstractContextManager[SampleBlocks]]
"""Opens a file and one of its audio tracks."""


def read_part(part: Part, use: Callable[[SampleBlocks], _T], track: int = 0) -> _T:
    """Result of `use` on the blocks of a file, opened by libsndfile, or else by FFmpeg.

    Args:
        part: The file.
        use: Receives the format and the blocks; called again with those of FFmpeg where libsndfile finds no sample.
        track: Index of the audio track, in containers that hold several.

    Raises:
        UndecodableAudioError: The bytes are no audio.
        NoSamplesError: See `use`.
    """
    first: UndecodableAudioError | NoSamplesError | None = None
    for opener in _openers(part, track):
        try:
            with _open_checked(part, opener, track) as opened:
                return use(opened)
        except (UndecodableAudioError, NoSamplesError) as exc:
            failure, first = _combine(first, exc, part), exc
    raise failure


def _combine(
    first: UndecodableAudioError | NoSamplesError | None, second: UndecodableAudioError | NoSamplesError, part: Part
) -> UndecodableAudioError | NoSamplesError:
    """The error of a file that neither library can read."""
    if isinstance(second, NoSamplesError):
        return second
    if first is None or isinstance(first, NoSamplesError):
        return first or second
    one, two = (second, first) if part.is_irregular else (first, second)
    reason = explain_data(part.head) or f"libsndfile: {one.reason} FFmpeg: {two.reason}"
    return UndecodableAudioError(reason)


def _openers(part: Part, track: int) -> tuple[Opener, ...]:
    """Libraries in the order in which they are tried; FFmpeg alone reads several tracks, timestamps and all lengths."""
    if track:
        return (open_with_ffmpeg,)
    return (open_with_ffmpeg, open_with_soundfile) if part.is_irregular else (open_with_soundfile, open_with_ffmpeg)


@contextmanager
def stream_part(part: Part, track: int = 0) -> Iterator[SampleBlocks]:
    """Blocks of a file, as `read_part` gives them.

    Raises:
        UndecodableAudioError: See `read_part`.
    """
    with _open_checked(part, _choose_opener(part, track), track) as opened:
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
def _open_checked(part: Part, opener: Opener, track: int) -> Iterator[SampleBlocks]:
    """Blocks of a file to its end, also beyond damage, with a warning where its length is not the stated one."""
    with opener(part, track) as opened:
        blocks = opened.blocks = _counted(opened, _read_on(opened, opened.blocks, part))
        try:
            yield opened
        finally:
            blocks.close()


def _read_on(opened: SampleBlocks, blocks: Iterator[NDArray[np.float32]], part: Part) -> Iterator[NDArray[np.float32]]:
    """Yield the blocks of libsndfile, then, where damage ended them, those of FFmpeg from there on."""
    done = 0
    for block in blocks:
        done += len(block)
        yield block
    if not opened.damage or not done:
        return
    opened.warnings.append(f"the file is damaged ({opened.damage}); the part before the damage was used")
    with suppress(UndecodableAudioError), open_with_ffmpeg(part) as other:
        if (other.sample_rate_hz, other.channels) == (opened.sample_rate_hz, opened.channels):
            yield from _skip(other.blocks, done)
            opened.warnings[-1] = f"the file is damaged ({opened.damage}); what can be decoded was used"
            opened.warnings.extend(other.warnings)


def _skip(blocks: Iterator[NDArray[np.float32]], samples: int) -> Iterator[NDArray[np.float32]]:
    """Yield the blocks without the first samples; empty ones in their place, so that decoding can be stopped."""
    for block in blocks:
        yield block[min(samples, len(block)) :]
        samples = max(0, samples - len(block))


def _counted(opened: SampleBlocks, blocks: Iterator[NDArray[np.float32]]) -> Generator[NDArray[np.float32]]:
    """Yield the blocks of a file, then report where it holds less or more than its header states.

    A warning from before the first block is about the stated length itself.
    """
    samples, is_reported = 0, bool(opened.warnings)
    for block in blocks:
        samples += len(block)
        yield block
    duration_s = samples / opened.sample_rate_hz if opened.sample_rate_hz else 0.0
    if not samples or not opened.stated_s or is_reported:
        return
    if duration_s < LENGTH_RATIO * opened.stated_s:
        opened.warnings.append(
            f"the file is truncated: its header states {opened.stated_s:.2f} s, it holds {duration_s:.2f} s"
        )
    if LENGTH_RATIO * duration_s > opened.stated_s:
        opened.warnings.append(
            f"the header states {opened.stated_s:.2f} s, the file holds {duration_s:.2f} s; all of it was used"
        )
