"""First pass over the files of a recording: the track, the channels and the offset of each, and its first samples.

Joined files are decoded one by one, because what holds for one need not hold for the next.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from alignment import errors
from alignment.containers import read_part
from alignment.ffmpeg import count_tracks
from alignment.joined_files import MAX_FILES
from alignment.mono import Bounds, ChannelStatistics, Form, MonoBlocks, Peak, resample_blocks
from alignment.parts import Part
from alignment.sample_blocks import SAMPLE_RATE_BOUNDS_HZ, SampleBlocks
from alignment.timing import SAMPLE_RATE_HZ, Seconds

_T = TypeVar("_T")
CHANNEL_BOUNDS: Final = (1, 32)
# Under -60 dB of full scale: the noise of a codec or of an input that nothing is connected to.
_QUIET_PEAK: Final = 1e-3
_CLEAR_RATIO: Final = 10.0


@dataclass(frozen=True, slots=True)
class Scan:
    """Result of decoding a file once.

    Attributes:
        kept: (samples,) the first ones at 16 kHz, before `Form.fit`.
        sample_rate_hz: Rate of the file.
        channels: Number of its channels.
        count: Number of samples at its rate.
        peak: Peak of all samples.
        warnings: Messages about the file.
    """

    kept: NDArray[np.float32]
    sample_rate_hz: int
    channels: int
    count: int
    peak: Peak
    warnings: list[str]

    @property
    def duration_s(self) -> Seconds:
        """Length in seconds."""
        return self.count / self.sample_rate_hz


@dataclass(frozen=True, slots=True)
class Survey:
    """Form of a file and its first samples in this form.

    Attributes:
        part: The file.
        samples: (samples,) the first ones at 16 kHz.
        scan: Its format.
        form: Conversion of its samples.
        is_silent: Whether every channel is constant.
        warnings: Messages about the file.
    """

    part: Part
    samples: NDArray[np.float32]
    scan: Scan
    form: Form
    is_silent: bool
    warnings: tuple[str, ...]


def survey_part(part: Part, bounds: Bounds, kept_s: Seconds = inf) -> Survey:
    """Decode a file once, and again where its channels cancel each other or have an offset.

    Args:
        part: The file.
        bounds: Limits of decoding.
        kept_s: Least length of the samples that are returned, of a longer file; the others are only measured.

    Raises:
        AudioError: See `alignment.audio.decode_audio`.
    """

    def measure(track: int) -> tuple[Scan, ChannelStatistics]:
        return read_part(part, lambda opened: _measure(opened, bounds, Form(), kept_s), track)

    (first, statistics), track = choose_track(part, measure, lambda measured: measured[1])
    form = replace(statistics.choose_form(None), track=track)
    if form != Form(residual=form.residual, track=track):
        first = read_part(part, lambda opened: scan(opened, bounds, form, kept_s), track)
    form = replace(form, scale=first.peak.choose_scale(first.warnings))
    warnings = (*first.warnings, *statistics.describe(form), *describe_track(form), *_describe_channel(form))
    return Survey(part, form.fit(first.kept), first, form, statistics.is_silent(None), warnings)


def describe_track(form: Form) -> list[str]:
    """Message about the audio track, where it is not the first one."""
    return [f"audio track 1 holds no sound; track {form.track + 1} is used"] if form.track else []


def _describe_channel(form: Form) -> list[str]:
    if form.channel is None:
        return []
    return [f"the channels cancel each other; channel {form.channel + 1} is used"]


def read_joined(
    parts: Sequence[Part], bounds: Bounds, read: Callable[[Part, Bounds], tuple[Scan, _T]]
) -> tuple[list[tuple[int, _T]], list[str]]:
    """Number and result of `read` for each file of a recording, and messages about those that are left out.

    Args:
        parts: Files of the recording.
        bounds: Limits of decoding, for all files together.
        read: Returns the format of a file and the result; receives the limits that are left.

    Raises:
        NoSamplesError: No file holds a sample.
        AudioError: See `read`, for the first file; others that cannot be read are left out.
    """
    results: list[tuple[int, _T]] = []
    warnings = []
    if len(parts) > 1:
        warnings.append(f"{len(parts)} files were joined in this recording; they were read one after the other")
    for number, part in enumerate(parts, start=1):
        if bounds.abandoned():
            raise errors.DecodingAbandonedError()
        if number > MAX_FILES:
            warnings.append(f"after {MAX_FILES} files, {part.end - part.start:,} bytes were left out")
            break
        try:
            read_scan, result = read(part, bounds)
        except errors.NoSamplesError:
            continue
        except (errors.UndecodableAudioError, errors.UnsupportedAudioError) as exc:
            if number == 1:
                raise
            reason = exc.reason if isinstance(exc, errors.UndecodableAudioError) else str(exc)
            size = part.end - part.start
            warnings.append(f"file {number} of them: it cannot be read ({reason}) and was left out, {size:,} bytes")
            continue
        bounds = bounds.after(read_scan.duration_s, read_scan.sample_rate_hz, read_scan.channels)
        results.append((number, result))
    if not results:
        raise errors.NoSamplesError()
    return results, warnings


def choose_track(
    part: Part, measure: Callable[[int], _T], statistics_of: Callable[[_T], ChannelStatistics]
) -> tuple[_T, int]:
    """Result of the first audio track, or, where that holds no sound, of the first one that does.

    Args:
        part: The file.
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
    for track in range(1, count_tracks(part) if peak < _QUIET_PEAK else 1):
        with suppress(errors.NoSamplesError, errors.UndecodableAudioError):
            other = measure(track)
            if statistics_of(other).peak > max(_QUIET_PEAK, _CLEAR_RATIO * peak):
                return other, track
    if first is None:
        raise failure or errors.NoSamplesError()
    return first, 0


def _measure(opened: SampleBlocks, bounds: Bounds, form: Form, kept_s: Seconds) -> tuple[Scan, ChannelStatistics]:
    statistics = ChannelStatistics(opened.sample_rate_hz)
    return scan(opened, bounds, form, kept_s, statistics), statistics


def scan(
    opened: SampleBlocks, bounds: Bounds, form: Form, kept_s: Seconds, statistics: ChannelStatistics | None = None
) -> Scan:
    """Decode an opened file in a form.

    Args:
        opened: The file.
        bounds: Limits of decoding.
        form: Form of the samples.
        kept_s: See `survey_part`.
        statistics: Updated with each block.

    Raises:
        AudioError: See `survey_part`.
    """
    mono, peak = open_mono(opened, bounds, form, statistics), Peak()
    pieces = [np.zeros(0, np.float32)]
    for block in resample_blocks(mono, opened.sample_rate_hz):
        if peak.count < kept_s * SAMPLE_RATE_HZ:
            pieces.append(block)
        peak.add(block)
    if not mono.count:
        raise errors.NoSamplesError()
    return Scan(np.concatenate(pieces), opened.sample_rate_hz, opened.channels, mono.count, peak, opened.warnings)


def open_mono(
    opened: SampleBlocks, bounds: Bounds, form: Form, statistics: ChannelStatistics | None = None
) -> MonoBlocks:
    """Blocks of an opened file in a form.

    Raises:
        UnsupportedAudioError: Its rate, or the number of its channels, is out of bounds.
    """
    check_bounds("sample rate in Hz", opened.sample_rate_hz, SAMPLE_RATE_BOUNDS_HZ)
    check_bounds("number of channels", opened.channels, CHANNEL_BOUNDS)
    return MonoBlocks(opened, bounds, form, statistics)


def check_bounds(quantity: str, got: int, bounds: tuple[int, int]) -> None:
    """Raise UnsupportedAudioError unless a quantity of the file is within bounds."""
    low, high = bounds
    if not low <= got <= high:
        raise errors.UnsupportedAudioError(quantity, got, low, high)
