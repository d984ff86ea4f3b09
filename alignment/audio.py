"""Decoding of audio in any container, rate and number of channels to mono float32 at 16 kHz."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import soxr
from numpy.typing import NDArray

from alignment import errors
from alignment.containers import SampleBlocks, open_with_ffmpeg, open_with_soundfile
from alignment.quality import SoundQuality
from alignment.timing import SAMPLE_RATE_HZ, Seconds, samples_to_seconds, seconds_to_samples

_T = TypeVar("_T")
MIN_DURATION_S: Final = 0.1
SAMPLE_RATE_BOUNDS_HZ: Final = (4_000, 768_000)
CHANNEL_BOUNDS: Final = (1, 32)
_SPEAKER_BOUNDS: Final = (2, 8)
_TRUNCATED_RATIO: Final = 0.97
_OVERSHOOT_SHARE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class AudioSource:
    """Format of the decoded file."""

    duration_s: Seconds
    sample_rate_hz: int
    channels: int


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Mono audio at 16 kHz.

    Attributes:
        samples: (samples,) float32 at 16 kHz, full scale 1, all finite.
        source: Format of the decoded file.
        warnings: Messages about the file (truncated, damaged, scaled).
        tracks: (samples,) of each channel, after `decode_channels` only; None for a silent one.
        speech: (start_s, end_s) of given speech segments; empty for voice activity detection.
        quality: Quality of the sound; None where it was not measured.
    """

    samples: NDArray[np.float32]
    source: AudioSource
    warnings: tuple[str, ...] = ()
    tracks: tuple[NDArray[np.float32] | None, ...] = ()
    speech: tuple[tuple[Seconds, Seconds], ...] = ()
    quality: SoundQuality | None = None

    @property
    def duration_s(self) -> Seconds:
        """Length in seconds."""
        return samples_to_seconds(len(self.samples))

    def cut(self, start_s: Seconds, end_s: Seconds) -> NDArray[np.float32]:
        """Return (samples,) between two times, clipped to the waveform."""
        return self.samples[max(0, seconds_to_samples(start_s)) : max(0, seconds_to_samples(end_s))]


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Limits of decoding.

    Attributes:
        max_duration_s: Longest audio.
        abandoned: Returns whether the request has ended.
    """

    max_duration_s: Seconds
    abandoned: Callable[[], bool] = lambda: False


def decode_audio(
    data: bytes, max_duration_s: Seconds = 300.0, *, abandoned: Callable[[], bool] = lambda: False
) -> Waveform:
    """Decode audio bytes to mono float32 at 16 kHz.

    Args:
        data: Complete file: wav, flac, ogg, mp3 (libsndfile), m4a, mp4, webm (FFmpeg).
        max_duration_s: Longest audio; decoding stops there, whatever the header states.
        abandoned: Called between blocks; decoding stops when it returns True.

    Returns:
        The channels' average, resampled by soxr (high quality) to 16 kHz. A truncated or damaged file gives the audio
        that it holds, with a warning.

    Raises:
        EmptyFileError: There are no bytes.
        UndecodableAudioError: The bytes are no audio.
        UnsupportedAudioError: The rate is under 4 or over 768 kHz, or there are more than 32 channels.
        NoSamplesError: The file holds no sample.
        NonFiniteAudioError: A sample is NaN or infinite.
        SilentAudioError: All samples are zero.
        AudioTooShortError: The audio lasts less than 0.1 s.
        AudioTooLongError: The audio lasts longer than `max_duration_s`.
        DecodingAbandonedError: `abandoned` returned True.
    """
    if not data:
        raise errors.EmptyFileError()
    return _read(data, lambda opened: _collect(opened, _Bounds(max_duration_s, abandoned)))


def decode_channels(
    data: bytes, max_duration_s: Seconds = 300.0, *, abandoned: Callable[[], bool] = lambda: False
) -> Waveform:
    """Decode audio bytes as `decode_audio` does, and each channel in addition, for one speaker per channel.

    The file is decoded once more per channel, which is fast compared with recognition.

    Args:
        data: See `decode_audio`.
        max_duration_s: See `decode_audio`.
        abandoned: See `decode_audio`.

    Raises:
        UnsupportedAudioError: There are fewer than 2 channels, or more than 8.
        AudioError: See `decode_audio`.
    """
    whole = decode_audio(data, max_duration_s, abandoned=abandoned)
    _check_bounds("number of channels for one speaker each", whole.source.channels, _SPEAKER_BOUNDS)
    bounds = _Bounds(max_duration_s, abandoned)
    tracks = tuple(_decode_channel(data, channel, bounds) for channel in range(whole.source.channels))
    return replace(whole, tracks=tracks)


def _decode_channel(data: bytes, channel: int, bounds: _Bounds) -> NDArray[np.float32] | None:
    try:
        return _read(data, lambda opened: _collect(opened, bounds, channel)).samples
    except errors.SilentAudioError:
        return None


@dataclass(frozen=True, slots=True)
class AudioFile:
    """Recording on disk that was decoded once for its properties, without keeping the samples.

    Attributes:
        path: Path of the file.
        source: Format of the file.
        warnings: See `Waveform`.
        scale: Divisor of the samples; None where they are clipped.
    """

    path: Path
    source: AudioSource
    warnings: tuple[str, ...]
    scale: float | None

    def read_blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of `decode_audio` block by block."""
        opener = open_with_soundfile if _opens_with_soundfile(self.path) else open_with_ffmpeg
        with opener(self.path) as opened:
            for block in _resample_blocks(
                _MonoBlocks(opened, _Bounds(self.source.duration_s + 1.0)), opened.sample_rate_hz
            ):
                yield _fit(block, self.scale)


def inspect_audio(path: Path, max_duration_s: Seconds) -> AudioFile:
    """Decode a recording on disk for its properties, without keeping the samples.

    Args:
        path: Path of the file.
        max_duration_s: See `decode_audio`.

    Raises:
        AudioError: See `decode_audio`.
    """
    if not path.stat().st_size:
        raise errors.EmptyFileError()

    def measure(opened: SampleBlocks) -> AudioFile:
        mono, peak = _open_mono(opened, _Bounds(max_duration_s)), _Peak()
        for block in _resample_blocks(mono, opened.sample_rate_hz):
            peak.add(block)
        source, scale = _conclude(opened, mono, peak)
        return AudioFile(path, source, tuple(opened.warnings), scale)

    return _read(path, measure)


def probe_audio(path: Path) -> None:
    """Raise unless a recording on disk starts with decodable audio; only its first block is read.

    Raises:
        EmptyFileError, UndecodableAudioError, UnsupportedAudioError, NoSamplesError, NonFiniteAudioError: The first
            block cannot be used.
    """
    if not path.stat().st_size:
        raise errors.EmptyFileError()

    def probe(opened: SampleBlocks) -> None:
        if next(iter(_open_mono(opened, _Bounds(inf))), None) is None:
            raise errors.NoSamplesError()

    _read(path, probe)


def _read(source: bytes | Path, use: Callable[[SampleBlocks], _T]) -> _T:
    """Result of `use` on the file, opened by libsndfile, or else by FFmpeg."""
    try:
        with open_with_soundfile(source) as opened:
            return use(opened)
    except (errors.UndecodableAudioError, errors.NoSamplesError) as exc:
        first = exc
    try:
        with open_with_ffmpeg(source) as opened:
            return use(opened)
    except errors.UndecodableAudioError as second:
        if isinstance(first, errors.NoSamplesError):
            raise first from second
        raise errors.UndecodableAudioError(f"libsndfile: {first.reason} FFmpeg: {second.reason}") from second


def _opens_with_soundfile(path: Path) -> bool:
    """Whether `_read` would open the file by libsndfile."""
    try:
        with open_with_soundfile(path) as opened:
            return next(iter(opened.blocks), None) is not None
    except errors.UndecodableAudioError:
        return False


def _collect(opened: SampleBlocks, bounds: _Bounds, channel: int | None = None) -> Waveform:
    mono, peak = _open_mono(opened, bounds, channel), _Peak()
    pieces = list(_resample_blocks(mono, opened.sample_rate_hz))
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    peak.add(samples)
    source, scale = _conclude(opened, mono, peak)
    return Waveform(_fit(samples, scale), source, tuple(opened.warnings))


def _open_mono(opened: SampleBlocks, bounds: _Bounds, channel: int | None = None) -> "_MonoBlocks":
    _check_bounds("sample rate in Hz", opened.sample_rate_hz, SAMPLE_RATE_BOUNDS_HZ)
    _check_bounds("number of channels", opened.channels, CHANNEL_BOUNDS)
    return _MonoBlocks(opened, bounds, channel)


def _conclude(opened: SampleBlocks, mono: "_MonoBlocks", peak: "_Peak") -> tuple[AudioSource, float | None]:
    """Format and scale of a file after its last block; adds to the warnings."""
    if not mono.count:
        raise errors.NoSamplesError()
    source = AudioSource(mono.count / opened.sample_rate_hz, opened.sample_rate_hz, opened.channels)
    if source.duration_s < MIN_DURATION_S:
        raise errors.AudioTooShortError(source.duration_s, MIN_DURATION_S)
    scale = peak.choose_scale(source.duration_s, opened.warnings)
    if not opened.warnings and source.duration_s < _TRUNCATED_RATIO * opened.stated_s:
        opened.warnings.append(
            f"the file is truncated: its header states {opened.stated_s:.2f} s, it holds {source.duration_s:.2f} s"
        )
    return source, scale


def _check_bounds(quantity: str, got: int, bounds: tuple[int, int]) -> None:
    low, high = bounds
    if not low <= got <= high:
        raise errors.UnsupportedAudioError(quantity, got, low, high)


class _MonoBlocks:
    """Blocks of the channels' average, or of one channel, counted and checked."""

    def __init__(self, opened: SampleBlocks, bounds: _Bounds, channel: int | None = None) -> None:
        self.count = 0
        self._channel = channel
        self._opened = opened
        self._bounds = bounds

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        rate = self._opened.sample_rate_hz
        for block in self._opened.blocks:
            mono = self._mix(block)
            finite = np.isfinite(mono)
            if not finite.all():
                raise errors.NonFiniteAudioError((self.count + int(finite.argmin())) / rate)
            self.count += len(mono)
            if self.count > self._bounds.max_duration_s * rate:
                raise errors.AudioTooLongError(self.count / rate, self._bounds.max_duration_s)
            if self._bounds.abandoned():
                raise errors.DecodingAbandonedError()
            yield mono

    def _mix(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._channel is not None:
            return block[:, self._channel]
        mean: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0]
        return mean


def _resample_blocks(blocks: _MonoBlocks, rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """Resample block by block to 16 kHz."""
    if rate_hz == SAMPLE_RATE_HZ:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


class _Peak:
    """Peak of the samples, updated block by block.

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
        """Divisor of the samples; None to clip them."""
        if self._not_finite_s is not None:
            raise errors.NonFiniteAudioError(self._not_finite_s)
        if self._peak == 0.0:
            raise errors.SilentAudioError(duration_s)
        if self._over <= _OVERSHOOT_SHARE * self._count:
            return None
        warnings.append(f"samples reach {self._peak:.3g} times full scale; the audio was scaled down")
        return self._peak


def _fit(samples: NDArray[np.float32], scale: float | None) -> NDArray[np.float32]:
    """Samples within [-1, 1]."""
    fitted: NDArray[np.float32] = np.clip(samples, -1.0, 1.0) if scale is None else samples / np.float32(scale)
    return fitted
