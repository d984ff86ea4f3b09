"""Waveforms: any container, any rate, any number of channels in; 16 kHz mono float32 out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import soxr
from numpy.typing import NDArray

from alignment.containers import SampleBlocks, open_with_ffmpeg, open_with_soundfile
from alignment.errors import (
    AudioTooLongError,
    AudioTooShortError,
    DecodingAbandonedError,
    EmptyFileError,
    NonFiniteAudioError,
    NoSamplesError,
    SilentAudioError,
    UndecodableAudioError,
    UnsupportedAudioError,
)
from alignment.timing import SAMPLE_RATE_HZ, Seconds, samples_to_seconds, seconds_to_samples

_T = TypeVar("_T")
MIN_DURATION_S: Final = 0.1
SAMPLE_RATE_BOUNDS_HZ: Final = (4_000, 768_000)
CHANNEL_BOUNDS: Final = (1, 32)
_SPEAKER_BOUNDS: Final = (2, 8)
_CUT_RATIO: Final = 0.97
_OVERSHOOT_SHARE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class AudioSource:
    """What the file was before it became a waveform."""

    duration_s: Seconds
    sample_rate_hz: int
    channels: int


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Mono sound at 16 kHz.

    Attributes:
        samples: (samples,) float32 at 16 kHz, full scale 1, all finite.
        source: the file that it came from.
        warnings: what the caller should know about the file (cut, damaged, scaled).
        tracks: (samples,) of each channel where they were asked for; None for one that is silent.
        speech: (start_s, end_s) of stretches of speech that the caller knows; empty leaves it to detection.
    """

    samples: NDArray[np.float32]
    source: AudioSource
    warnings: tuple[str, ...] = ()
    tracks: tuple[NDArray[np.float32] | None, ...] = ()
    speech: tuple[tuple[Seconds, Seconds], ...] = ()

    @property
    def duration_s(self) -> Seconds:
        """Length in seconds."""
        return samples_to_seconds(len(self.samples))

    def cut(self, start_s: Seconds, end_s: Seconds) -> NDArray[np.float32]:
        """(samples,) between two times, clipped to the waveform."""
        return self.samples[max(0, seconds_to_samples(start_s)) : max(0, seconds_to_samples(end_s))]


@dataclass(frozen=True, slots=True)
class _Bounds:
    """How long decoding may go on.

    Attributes:
        max_duration_s: of the sound.
        abandoned: whether nobody waits for it any more.
    """

    max_duration_s: Seconds
    abandoned: Callable[[], bool] = lambda: False


def decode_audio(
    data: bytes, max_duration_s: Seconds = 300.0, *, abandoned: Callable[[], bool] = lambda: False
) -> Waveform:
    """Waveform of an audio file held in memory.

    Args:
        data: the whole file; wav, flac, ogg, mp3 (libsndfile), m4a, mp4, webm (FFmpeg).
        max_duration_s: decoding stops, with an error, past this length, whatever the header says.
        abandoned: asked between blocks; decoding stops when nobody waits for it any more.

    Returns:
        The sound, its channels averaged, resampled by soxr (high quality) to 16 kHz. A file that is cut or damaged
        gives what is there, with a warning.

    Raises:
        EmptyFileError: there are no bytes.
        UndecodableAudioError: the bytes are no audio.
        UnsupportedAudioError: under 4 or over 768 kHz, or more than 32 channels.
        NoSamplesError: the file holds no sample.
        NonFiniteAudioError: a sample is NaN or infinite.
        SilentAudioError: all samples are zero.
        AudioTooShortError: under 0.1 s.
        AudioTooLongError: over `max_duration_s`.
        DecodingAbandonedError: it was.
    """
    if not data:
        raise EmptyFileError()
    return _read(data, lambda opened: _collect(opened, _Bounds(max_duration_s, abandoned)))


def decode_channels(
    data: bytes, max_duration_s: Seconds = 300.0, *, abandoned: Callable[[], bool] = lambda: False
) -> Waveform:
    """The same with each channel beside the whole, for a call that has one speaker on each.

    The file is decoded once more per channel, which is quick beside whatever is done with the sound.

    Args:
        data: as for `decode_audio`.
        max_duration_s: of the file.
        abandoned: as for `decode_audio`.

    Raises:
        UnsupportedAudioError: there are fewer than 2 channels, or more than 8.
        AudioError: see `decode_audio`.
    """
    whole = decode_audio(data, max_duration_s, abandoned=abandoned)
    _check_bounds("number of channels for one speaker each", whole.source.channels, _SPEAKER_BOUNDS)
    bounds = _Bounds(max_duration_s, abandoned)
    tracks = tuple(_decode_channel(data, channel, bounds) for channel in range(whole.source.channels))
    return replace(whole, tracks=tracks)


def _decode_channel(data: bytes, channel: int, bounds: _Bounds) -> NDArray[np.float32] | None:
    try:
        return _read(data, lambda opened: _collect(opened, bounds, channel)).samples
    except SilentAudioError:
        return None


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A recording on disk that was read through once, so that everything about it is known but the sound.

    Attributes:
        path: where it is.
        source: what it is.
        warnings: see `Waveform`.
        scale: what the samples are divided by; None where they are clipped.
    """

    path: Path
    source: AudioSource
    warnings: tuple[str, ...]
    scale: float | None

    def read_blocks(self) -> Iterator[NDArray[np.float32]]:
        """The samples of `decode_audio`, a block at a time, never all of them at once."""
        opener = open_with_soundfile if _opens_with_soundfile(self.path) else open_with_ffmpeg
        with opener(self.path) as opened:
            for block in _resample_blocks(
                _MonoBlocks(opened, _Bounds(self.source.duration_s + 1.0)), opened.sample_rate_hz
            ):
                yield _fit(block, self.scale)


def inspect_audio(path: Path, max_duration_s: Seconds) -> AudioFile:
    """Reads a recording on disk from end to end and keeps none of its sound.

    Args:
        path: the file.
        max_duration_s: as for `decode_audio`.

    Raises:
        AudioError: as `decode_audio`.
    """
    if not path.stat().st_size:
        raise EmptyFileError()

    def measure(opened: SampleBlocks) -> AudioFile:
        mono, peak = _open_mono(opened, _Bounds(max_duration_s)), _Peak()
        for block in _resample_blocks(mono, opened.sample_rate_hz):
            peak.add(block)
        source, scale = _judge(opened, mono, peak)
        return AudioFile(path, source, tuple(opened.warnings), scale)

    return _read(path, measure)


def probe_audio(path: Path) -> None:
    """Passes when a recording on disk begins with sound; the rest of it is not read.

    Raises:
        EmptyFileError, UndecodableAudioError, UnsupportedAudioError, NoSamplesError, NonFiniteAudioError: it does not.
    """
    if not path.stat().st_size:
        raise EmptyFileError()

    def probe(opened: SampleBlocks) -> None:
        if next(iter(_open_mono(opened, _Bounds(inf))), None) is None:
            raise NoSamplesError()

    _read(path, probe)


def _read(source: bytes | Path, use: Callable[[SampleBlocks], _T]) -> _T:
    """What `use` makes of the file, opened by libsndfile, or else by FFmpeg."""
    try:
        with open_with_soundfile(source) as opened:
            return use(opened)
    except (UndecodableAudioError, NoSamplesError) as exc:
        first = exc
    try:
        with open_with_ffmpeg(source) as opened:
            return use(opened)
    except UndecodableAudioError as second:
        if isinstance(first, NoSamplesError):
            raise first from second
        raise UndecodableAudioError(f"libsndfile: {first.reason} FFmpeg: {second.reason}") from second


def _opens_with_soundfile(path: Path) -> bool:
    """Whether libsndfile finds sound in it; as `_read` finds out."""
    try:
        with open_with_soundfile(path) as opened:
            return next(iter(opened.blocks), None) is not None
    except UndecodableAudioError:
        return False


def _collect(opened: SampleBlocks, bounds: _Bounds, channel: int | None = None) -> Waveform:
    mono, peak = _open_mono(opened, bounds, channel), _Peak()
    pieces = list(_resample_blocks(mono, opened.sample_rate_hz))
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    peak.add(samples)
    source, scale = _judge(opened, mono, peak)
    return Waveform(_fit(samples, scale), source, tuple(opened.warnings))


def _open_mono(opened: SampleBlocks, bounds: _Bounds, channel: int | None = None) -> "_MonoBlocks":
    _check_bounds("sample rate in Hz", opened.sample_rate_hz, SAMPLE_RATE_BOUNDS_HZ)
    _check_bounds("number of channels", opened.channels, CHANNEL_BOUNDS)
    return _MonoBlocks(opened, bounds, channel)


def _judge(opened: SampleBlocks, mono: "_MonoBlocks", peak: "_Peak") -> tuple[AudioSource, float | None]:
    """What the file was, and its scale, once all of it has passed; adds to the warnings."""
    if not mono.count:
        raise NoSamplesError()
    source = AudioSource(mono.count / opened.sample_rate_hz, opened.sample_rate_hz, opened.channels)
    if source.duration_s < MIN_DURATION_S:
        raise AudioTooShortError(source.duration_s, MIN_DURATION_S)
    scale = peak.choose_scale(source.duration_s, opened.warnings)
    if not opened.warnings and source.duration_s < _CUT_RATIO * opened.promised_s:
        opened.warnings.append(
            f"the file is cut: it promises {opened.promised_s:.2f} s, {source.duration_s:.2f} s are there"
        )
    return source, scale


def _check_bounds(quantity: str, got: int, bounds: tuple[int, int]) -> None:
    low, high = bounds
    if not low <= got <= high:
        raise UnsupportedAudioError(quantity, got, low, high)


class _MonoBlocks:
    """Averages the channels of each block, or takes one, and counts and checks what passes."""

    def __init__(self, opened: SampleBlocks, bounds: _Bounds, channel: int | None = None) -> None:
        self.count = 0
        self._channel = channel
        self._opened = opened
        self._bounds = bounds

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        rate = self._opened.sample_rate_hz
        for block in self._opened.blocks:
            mono = self._choose(block)
            finite = np.isfinite(mono)
            if not finite.all():
                raise NonFiniteAudioError((self.count + int(finite.argmin())) / rate)
            self.count += len(mono)
            if self.count > self._bounds.max_duration_s * rate:
                raise AudioTooLongError(self.count / rate, self._bounds.max_duration_s)
            if self._bounds.abandoned():
                raise DecodingAbandonedError()
            yield mono

    def _choose(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._channel is not None:
            return block[:, self._channel]
        mean: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0]
        return mean


def _resample_blocks(blocks: _MonoBlocks, rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """Blocks at 16 kHz; the sound at its own rate is never held as a whole."""
    if rate_hz == SAMPLE_RATE_HZ:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


class _Peak:
    """How loud the sound gets, block by block.

    A filter or a lossy codec overshoots by a few samples, which are clipped; a float file on another scale is scaled.
    """

    def __init__(self) -> None:
        self._peak = 0.0
        self._over = self._count = 0
        self._not_finite_s: Seconds | None = None

    def add(self, samples: NDArray[np.float32]) -> None:
        size = np.abs(samples)
        peak = float(size.max(initial=0.0))
        if not np.isfinite(peak) and self._not_finite_s is None:
            self._not_finite_s = (self._count + float(np.isfinite(samples).argmin())) / SAMPLE_RATE_HZ
        self._peak = max(self._peak, peak)
        self._over += int(np.count_nonzero(size > 1.0))
        self._count += len(samples)

    def choose_scale(self, duration_s: Seconds, warnings: list[str]) -> float | None:
        """What to divide by; None to clip."""
        if self._not_finite_s is not None:
            raise NonFiniteAudioError(self._not_finite_s)
        if self._peak == 0.0:
            raise SilentAudioError(duration_s)
        if self._over <= _OVERSHOOT_SHARE * self._count:
            return None
        warnings.append(f"samples reach {self._peak:.3g} times full scale; the sound was scaled down to fit")
        return self._peak


def _fit(samples: NDArray[np.float32], scale: float | None) -> NDArray[np.float32]:
    """The same sound within [-1, 1]."""
    fitted: NDArray[np.float32] = np.clip(samples, -1.0, 1.0) if scale is None else samples / np.float32(scale)
    return fitted
