"""Waveforms: any container, any rate, any number of channels in; 16 kHz mono float32 out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from alignment.containers import SampleBlocks, open_with_ffmpeg, open_with_soundfile
from alignment.errors import (
    AudioTooLongError,
    AudioTooShortError,
    EmptyFileError,
    NonFiniteAudioError,
    NoSamplesError,
    SilentAudioError,
    UndecodableAudioError,
    UnsupportedAudioError,
)
from alignment.timing import SAMPLE_RATE_HZ, Seconds, samples_to_seconds, seconds_to_samples

MIN_DURATION_S: Final = 0.1
SAMPLE_RATE_BOUNDS_HZ: Final = (4_000, 768_000)
CHANNEL_BOUNDS: Final = (1, 32)
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
    """

    samples: NDArray[np.float32]
    source: AudioSource
    warnings: tuple[str, ...] = ()

    @property
    def duration_s(self) -> Seconds:
        """Length in seconds."""
        return samples_to_seconds(len(self.samples))

    def cut(self, start_s: Seconds, end_s: Seconds) -> NDArray[np.float32]:
        """(samples,) between two times, clipped to the waveform."""
        return self.samples[max(0, seconds_to_samples(start_s)) : max(0, seconds_to_samples(end_s))]


def decode_audio(data: bytes, max_duration_s: Seconds = 300.0) -> Waveform:
    """Waveform of an audio file held in memory.

    Args:
        data: the whole file; wav, flac, ogg, mp3 (libsndfile), m4a, mp4, webm (FFmpeg).
        max_duration_s: decoding stops, with an error, past this length, whatever the header says.

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
    """
    if not data:
        raise EmptyFileError()
    try:
        with open_with_soundfile(data) as opened:
            return _collect(opened, max_duration_s)
    except (UndecodableAudioError, NoSamplesError) as exc:
        first = exc
    try:
        with open_with_ffmpeg(data) as opened:
            return _collect(opened, max_duration_s)
    except UndecodableAudioError as second:
        if isinstance(first, NoSamplesError):
            raise first from second
        raise UndecodableAudioError(f"libsndfile: {first.reason} FFmpeg: {second.reason}") from second


def _collect(opened: SampleBlocks, max_duration_s: Seconds) -> Waveform:
    _check_bounds("sample rate in Hz", opened.sample_rate_hz, SAMPLE_RATE_BOUNDS_HZ)
    _check_bounds("number of channels", opened.channels, CHANNEL_BOUNDS)
    mono = _MonoBlocks(opened, max_duration_s)
    samples = _resample(mono, opened.sample_rate_hz)
    if not mono.count:
        raise NoSamplesError()
    source = AudioSource(mono.count / opened.sample_rate_hz, opened.sample_rate_hz, opened.channels)
    if source.duration_s < MIN_DURATION_S:
        raise AudioTooShortError(source.duration_s, MIN_DURATION_S)
    samples = _to_full_scale(samples, source.duration_s, opened.warnings)
    if not opened.warnings and source.duration_s < _CUT_RATIO * opened.promised_s:
        opened.warnings.append(
            f"the file is cut: it promises {opened.promised_s:.2f} s, {source.duration_s:.2f} s are there"
        )
    return Waveform(samples, source, tuple(opened.warnings))


def _check_bounds(quantity: str, got: int, bounds: tuple[int, int]) -> None:
    low, high = bounds
    if not low <= got <= high:
        raise UnsupportedAudioError(quantity, got, low, high)


class _MonoBlocks:
    """Averages the channels of each block, and counts and checks what passes."""

    def __init__(self, opened: SampleBlocks, max_duration_s: Seconds) -> None:
        self.count = 0
        self._opened = opened
        self._max_duration_s = max_duration_s

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        rate = self._opened.sample_rate_hz
        for block in self._opened.blocks:
            mono = block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0]
            finite = np.isfinite(mono)
            if not finite.all():
                raise NonFiniteAudioError((self.count + int(finite.argmin())) / rate)
            self.count += len(mono)
            if self.count > self._max_duration_s * rate:
                raise AudioTooLongError(self.count / rate, self._max_duration_s)
            yield mono


def _resample(blocks: _MonoBlocks, rate_hz: int) -> NDArray[np.float32]:
    """(samples,) at 16 kHz; block by block, so that the sound at its own rate is never held as a whole."""
    if rate_hz == SAMPLE_RATE_HZ:
        pieces = list(blocks)
    else:
        stream = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        pieces = [stream.resample_chunk(block) for block in blocks]
        pieces.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _to_full_scale(samples: NDArray[np.float32], duration_s: Seconds, warnings: list[str]) -> NDArray[np.float32]:
    """The same sound within [-1, 1].

    A filter or a lossy codec overshoots by a few samples, which are clipped; a float file on another scale is scaled.
    """
    size = np.abs(samples)
    peak = float(size.max(initial=0.0))
    if peak == 0.0:
        raise SilentAudioError(duration_s)
    if not np.isfinite(peak):
        raise NonFiniteAudioError(float(np.isfinite(samples).argmin()) / SAMPLE_RATE_HZ)
    if np.count_nonzero(size > 1.0) > _OVERSHOOT_SHARE * len(samples):
        warnings.append(f"samples reach {peak:.3g} times full scale; the sound was scaled down to fit")
        return samples / np.float32(peak)
    clipped: NDArray[np.float32] = np.clip(samples, -1.0, 1.0)
    return clipped
