"""Decoding of audio in any container, rate and number of channels to mono float32 at 16 kHz."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from alignment import errors
from alignment.containers import read_recording, stream_recording
from alignment.ffmpeg import count_tracks
from alignment.joined_files import split_files
from alignment.mono import Bounds, ChannelStatistics, Form, MonoBlocks, Peak, resample_blocks
from alignment.parts import Part, open_parts
from alignment.quality import SoundQuality, measure_quality
from alignment.sample_blocks import SAMPLE_RATE_BOUNDS_HZ, SampleBlocks
from alignment.sample_chunks import Range
from alignment.timing import SAMPLE_RATE_HZ, Seconds, samples_to_seconds, seconds_to_samples

_T = TypeVar("_T")
MIN_DURATION_S: Final = 0.1
CHANNEL_BOUNDS: Final = (1, 32)
# Under -60 dB of full scale: the noise of a codec or of an input that nothing is connected to.
_QUIET_PEAK: Final = 1e-3
_CLEAR_RATIO: Final = 10.0
QUALITY_S: Final = 60.0


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
        warnings: Messages about the file (truncated, damaged, scaled, offset, channels, band).
        tracks: (samples,) of each channel, after `alignment.channels.decode_channels` only; None for a silent one.
        speech: (start_s, end_s) of given speech segments; empty for voice activity detection.
        quality: Measured by `decode_audio` on the first minute; None for other samples.
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


def decode_audio(
    data: bytes | Path, max_duration_s: Seconds = 300.0, *, abandoned: Callable[[], bool] = lambda: False
) -> Waveform:
    """Decode audio bytes to mono float32 at 16 kHz.

    Args:
        data: Complete file, or its path: wav, flac, ogg, mp3 (libsndfile), m4a, mp4, webm (FFmpeg).
        max_duration_s: Longest audio; decoding stops there, whatever the header states.
        abandoned: Called between blocks; decoding stops when it returns True.

    Returns:
        The channels' average without its constant offset, resampled by soxr (high quality) to 16 kHz. Where the
        channels cancel each other, the strongest one alone, with a warning. A truncated or damaged file gives the audio
        that it holds, with a warning; so do joined files, and gaps of the timestamps give silence.

    Raises:
        EmptyFileError: There are no bytes.
        UndecodableAudioError: The bytes are no audio.
        UnsupportedAudioError: The rate is under 4 or over 768 kHz, or there are more than 32 channels.
        NoSamplesError: The file holds no sample.
        NonFiniteAudioError: A sample is NaN or infinite.
        SilentAudioError: Every channel is constant.
        AudioTooShortError: The audio lasts less than 0.1 s.
        AudioTooLongError: The audio lasts longer than `max_duration_s`.
        DecodingAbandonedError: `abandoned` returned True.
        OSError: The file of the path cannot be read.
    """
    bounds = Bounds(max_duration_s, abandoned)
    with open_recording(data, bounds) as parts:
        found = _survey(parts, bounds)
    return _to_waveform(found, (*found.warnings, *_mixing_warnings(found)))


@dataclass(frozen=True, slots=True)
class AudioFile:
    """Recording on disk that was decoded once for its properties, without keeping the samples.

    Attributes:
        path: Path of the file.
        source: Format of the file.
        warnings: See `Waveform`.
        form: Conversion of the file's samples to those of `decode_audio`.
        quality: Measured on the first minute.
        ranges: Ranges of the joined files in it; one for most recordings.
    """

    path: Path
    source: AudioSource
    warnings: tuple[str, ...]
    form: Form
    quality: SoundQuality
    ranges: tuple[Range, ...]

    def read_blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of `decode_audio` block by block."""
        with open_parts(self.path, lambda _: self.ranges) as parts, stream_recording(parts, self.form.track) as opened:
            mono = MonoBlocks(opened, Bounds(self.source.duration_s + 1.0), self.form)
            for block in resample_blocks(mono, opened.sample_rate_hz):
                yield self.form.fit(block)


def inspect_audio(path: Path, max_duration_s: Seconds) -> AudioFile:
    """Decode a recording on disk for its properties, without keeping the samples.

    Args:
        path: Path of the file.
        max_duration_s: See `decode_audio`.

    Raises:
        AudioError: See `decode_audio`.
    """
    bounds = Bounds(max_duration_s)
    with open_recording(path, bounds) as parts:
        found = _survey(parts, bounds, kept_s=QUALITY_S)
        ranges = tuple((part.start, part.end) for part in parts)
    quality = _measure_start(found)
    warnings = (*found.warnings, *_mixing_warnings(found), *quality.warnings)
    return AudioFile(path, found.source, warnings, found.form, quality, ranges)


def _to_waveform(found: "_Survey", warnings: tuple[str, ...]) -> Waveform:
    quality = _measure_start(found)
    return Waveform(found.samples, found.source, (*warnings, *quality.warnings), quality=quality)


def _mixing_warnings(found: "_Survey") -> tuple[str, ...]:
    """Messages about the tracks and the channels of a file that was decoded as a whole."""
    warnings = describe_track(found.form)
    if found.form.channel is not None:
        warnings.append(f"the channels cancel each other; channel {found.form.channel + 1} is used")
    return tuple(warnings)


def describe_track(form: Form) -> list[str]:
    """Message about the audio track, where it is not the first one."""
    return [f"audio track 1 holds no sound; track {form.track + 1} is used"] if form.track else []


def _measure_start(found: "_Survey") -> SoundQuality:
    return measure_quality(found.samples[: seconds_to_samples(QUALITY_S)], found.source.sample_rate_hz)


def probe_audio(path: Path) -> None:
    """Raise unless a recording on disk starts with decodable audio in one of its tracks; only first blocks are read.

    Raises:
        EmptyFileError, UndecodableAudioError, UnsupportedAudioError, NoSamplesError, NonFiniteAudioError: The first
            block cannot be used.
    """
    with open_parts(path, lambda data: [(0, len(data))]) as parts:
        try:
            read_recording(parts, _probe)
        except (errors.NoSamplesError, errors.UndecodableAudioError):
            if not any(_can_probe(parts, track) for track in range(1, count_tracks(parts[0]))):
                raise


def _probe(opened: SampleBlocks) -> None:
    if next(iter(_open_mono(opened, Bounds(inf), Form())), None) is None:
        raise errors.NoSamplesError()


def _can_probe(parts: Sequence[Part], track: int) -> bool:
    with suppress(errors.NoSamplesError, errors.UndecodableAudioError):
        read_recording(parts, _probe, track)
        return True
    return False


@dataclass(frozen=True, slots=True)
class _Scan:
    """Result of decoding a file once.

    Attributes:
        kept: (samples,) the first ones at 16 kHz, before `Form.fit`.
        source: Format of the file.
        peak: Peak of all samples.
        warnings: Messages about the file.
    """

    kept: NDArray[np.float32]
    source: AudioSource
    peak: Peak
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class _Survey:
    """Form of a file and its first samples in this form."""

    samples: NDArray[np.float32]
    source: AudioSource
    form: Form
    warnings: tuple[str, ...]


def open_recording(source: bytes | Path, bounds: Bounds) -> AbstractContextManager[list[Part]]:
    """Files of a recording, found within the limits of decoding; see `alignment.parts.open_parts`."""
    return open_parts(source, lambda data: split_files(data, bounds.abandoned))


def _survey(parts: Sequence[Part], bounds: Bounds, kept_s: Seconds = inf) -> _Survey:
    """Decode a file once, and again where its channels cancel each other or have an offset.

    Args:
        parts: Files of the recording.
        bounds: Limits of decoding.
        kept_s: Least length of the samples that are returned, of a longer file; the others are only measured.
    """

    def measure(track: int) -> tuple[_Scan, ChannelStatistics]:
        return read_recording(parts, lambda opened: _measure(opened, bounds, Form(), kept_s), track)

    (scan, statistics), track = choose_track(parts, measure, lambda measured: measured[1])
    if statistics.is_silent(None):
        raise errors.SilentAudioError(scan.source.duration_s)
    form = replace(statistics.choose_form(None), track=track)
    if form != Form(residual=form.residual, track=track):
        scan = read_recording(parts, lambda opened: _scan(opened, bounds, form, kept_s), track)
    scale = scan.peak.choose_scale(scan.warnings)
    form = replace(form, scale=scale)
    warnings = (*scan.warnings, *statistics.describe(form))
    return _Survey(form.fit(scan.kept), scan.source, form, warnings)


def choose_track(
    parts: Sequence[Part], measure: Callable[[int], _T], statistics_of: Callable[[_T], ChannelStatistics]
) -> tuple[_T, int]:
    """Result of the first audio track, or, where that holds no sound, of the first one that does.

    Args:
        parts: Files of the recording.
        measure: Decodes the track of an index.
        statistics_of: Statistics of its result.

    Returns:
        The result, and the index of the track.

    Raises:
        AudioError: No track can be decoded; the error of the first one.
    """
    first, failure, peak = None, None, 0.0
    try:
        first = measure(0)
        peak = statistics_of(first).peak
    except (errors.NoSamplesError, errors.UndecodableAudioError) as exc:
        failure = exc
    for track in range(1, count_tracks(parts[0]) if peak < _QUIET_PEAK else 1):
        with suppress(errors.NoSamplesError, errors.UndecodableAudioError, errors.AudioTooShortError):
            other = measure(track)
            if statistics_of(other).peak > max(_QUIET_PEAK, _CLEAR_RATIO * peak):
                return other, track
    if first is None:
        raise failure or errors.NoSamplesError()
    return first, 0


def _measure(opened: SampleBlocks, bounds: Bounds, form: Form, kept_s: Seconds) -> tuple[_Scan, ChannelStatistics]:
    statistics = ChannelStatistics()
    return _scan(opened, bounds, form, kept_s, statistics), statistics


def _scan(
    opened: SampleBlocks, bounds: Bounds, form: Form, kept_s: Seconds, statistics: ChannelStatistics | None = None
) -> _Scan:
    mono, peak = _open_mono(opened, bounds, form, statistics), Peak()
    pieces = [np.zeros(0, np.float32)]
    for block in resample_blocks(mono, opened.sample_rate_hz):
        if peak.count < kept_s * SAMPLE_RATE_HZ:
            pieces.append(block)
        peak.add(block)
    source = _describe(opened, mono.count)
    return _Scan(np.concatenate(pieces), source, peak, opened.warnings)


def _open_mono(
    opened: SampleBlocks, bounds: Bounds, form: Form, statistics: ChannelStatistics | None = None
) -> MonoBlocks:
    _check_bounds("sample rate in Hz", opened.sample_rate_hz, SAMPLE_RATE_BOUNDS_HZ)
    _check_bounds("number of channels", opened.channels, CHANNEL_BOUNDS)
    return MonoBlocks(opened, bounds, form, statistics)


def _describe(opened: SampleBlocks, samples: int) -> AudioSource:
    """Format of a file after its last block."""
    if not samples:
        raise errors.NoSamplesError()
    source = AudioSource(samples / opened.sample_rate_hz, opened.sample_rate_hz, opened.channels)
    if source.duration_s < MIN_DURATION_S:
        raise errors.AudioTooShortError(source.duration_s, MIN_DURATION_S)
    return source


def _check_bounds(quantity: str, got: int, bounds: tuple[int, int]) -> None:
    low, high = bounds
    if not low <= got <= high:
        raise errors.UnsupportedAudioError(quantity, got, low, high)
