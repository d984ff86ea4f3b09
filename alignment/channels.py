"""Decoding of recordings with one speaker per channel: all channels at once.

The file is decoded once, and a second time only where a channel has a constant offset or the channels cancel each
other; each block is resampled for every channel before the next one is decoded.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment import audio, errors
from alignment.audio import QUALITY_S, Waveform
from alignment.containers import read_part
from alignment.mono import Bounds, ChannelStatistics, Form, Peak, Resampler
from alignment.parts import Part
from alignment.quality import measure_quality
from alignment.sample_blocks import SampleBlocks
from alignment.survey import Scan, check_bounds, choose_track, describe_track, read_joined, scan, survey_part
from alignment.timing import Seconds, seconds_to_samples

_SPEAKER_BOUNDS: Final = (2, 8)


def decode_channels(
    data: bytes | Path, max_duration_s: Seconds = 300.0, *, abandoned: Callable[[], bool] = lambda: False
) -> Waveform:
    """Decode audio bytes as `decode_audio` does, and each channel in addition, for one speaker per channel.

    Args:
        data: See `decode_audio`.
        max_duration_s: See `decode_audio`.
        abandoned: See `decode_audio`.

    Raises:
        UnsupportedAudioError: There are fewer than 2 channels, or more than 8.
        AudioError: See `decode_audio`.
    """
    bounds = Bounds(max_duration_s, abandoned)
    with audio.open_recording(data, bounds) as parts:
        return _decode_parts(parts, bounds)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A file in its form: the channels mixed, and each of them; None for a silent one."""

    samples: NDArray[np.float32]
    tracks: tuple[NDArray[np.float32] | None, ...]
    scan: Scan
    warnings: tuple[str, ...]


def _decode_parts(parts: Sequence[Part], bounds: Bounds) -> Waveform:
    decoded: list[_Decoded] = []

    def read(part: Part, left: Bounds) -> tuple[Scan, _Decoded]:
        decoded.append(_decode_other(part, left, len(decoded[0].tracks)) if decoded else _decode_part(part, left))
        return decoded[-1].scan, decoded[-1]

    numbered, joined = read_joined(parts, bounds, read)
    source = audio.describe_source([file.scan for file in decoded])
    if all(track is None for file in decoded for track in file.tracks):
        raise errors.SilentAudioError(source.duration_s)
    samples = np.concatenate([file.samples for file in decoded])
    quality = measure_quality(samples[: seconds_to_samples(QUALITY_S)], source.sample_rate_hz)
    warnings = audio.number_warnings([(number, file.warnings) for number, file in numbered], joined)
    tracks = tuple(_join_track(decoded, channel) for channel in range(len(decoded[0].tracks)))
    return Waveform(samples, source, (*warnings, *quality.warnings), tracks, quality=quality)


def _join_track(decoded: Sequence[_Decoded], channel: int) -> NDArray[np.float32] | None:
    """(samples,) of a channel in all files; None where it is silent in all."""
    tracks = [file.tracks[channel] for file in decoded]
    if all(track is None for track in tracks):
        return None
    return np.concatenate(
        [
            np.zeros(len(file.samples), np.float32) if track is None else track
            for file, track in zip(decoded, tracks, strict=True)
        ]
    )


def _decode_other(part: Part, bounds: Bounds, channels: int) -> _Decoded:
    """A joined file; one with another number of channels is mixed, and the same for every speaker."""
    try:
        decoded = _decode_part(part, bounds)
    except errors.UnsupportedAudioError:
        decoded = None
    if decoded is not None and len(decoded.tracks) == channels:
        return decoded
    survey = survey_part(part, bounds)
    track = None if survey.is_silent else survey.samples
    return _Decoded(survey.samples, (track,) * channels, survey.scan, survey.warnings)


def _decode_part(part: Part, bounds: Bounds) -> _Decoded:
    def decode(track: int) -> _Pass:
        return read_part(part, lambda opened: _decode(opened, bounds, Form(), None), track)

    first, track = choose_track(part, decode, lambda decoded: decoded.statistics)
    statistics, channels = first.statistics, first.scan.channels
    whole = replace(statistics.choose_form(None), track=track)
    forms = [None if statistics.is_silent(c) else statistics.choose_form(c) for c in range(channels)]
    # A residual, in contrast to an offset, is subtracted from the samples that the first pass has resampled.
    if whole != Form(residual=whole.residual, track=track) or any(form is not None and form.offset for form in forms):
        first = read_part(part, lambda opened: _decode(opened, bounds, whole, forms), track)
    return _assemble(first, whole, forms)


class _Track:
    """Samples of one channel at 16 kHz, extended block by block."""

    def __init__(self, form: Form, rate_hz: int) -> None:
        self._form, self._resampler = form, Resampler(rate_hz)
        self._pieces: list[NDArray[np.float32]] = []
        self._peak = Peak()

    def add(self, block: NDArray[np.float32]) -> None:
        """Add a block: (samples, channels)."""
        self._keep(self._resampler.push(self._form.mix(block)))

    def finish(self, form: Form) -> NDArray[np.float32]:
        """(samples,) of the channel in its form.

        Raises:
            NonFiniteAudioError: A sample overflowed.
        """
        self._keep(self._resampler.finish())
        return replace(form, scale=self._peak.choose_scale([])).fit(np.concatenate(self._pieces))

    def _keep(self, samples: NDArray[np.float32]) -> None:
        self._pieces.append(samples)
        self._peak.add(samples)


@dataclass(frozen=True, slots=True)
class _Pass:
    """Result of decoding a file once: the channels mixed, each of them, and what was measured."""

    scan: Scan
    statistics: ChannelStatistics
    tracks: list[_Track | None]


def _decode(opened: SampleBlocks, bounds: Bounds, whole: Form, forms: Sequence[Form | None] | None) -> _Pass:
    """Decode a file once.

    Args:
        opened: The file.
        bounds: Limits of decoding.
        whole: Form of the channels mixed.
        forms: Form of each channel, None for a silent one; None as a whole for channels as they are.
    """
    check_bounds("number of channels for one speaker each", opened.channels, _SPEAKER_BOUNDS)
    statistics = ChannelStatistics(opened.sample_rate_hz)
    chosen = forms or [Form(channel) for channel in range(opened.channels)]
    tracks = [None if form is None else _Track(form, opened.sample_rate_hz) for form in chosen]
    opened.blocks = _feed(opened.blocks, tracks)
    return _Pass(scan(opened, bounds, whole, inf, statistics), statistics, tracks)


def _feed(blocks: Iterator[NDArray[np.float32]], tracks: Sequence[_Track | None]) -> Iterator[NDArray[np.float32]]:
    """Yield the blocks, each after it has been added to the tracks."""
    for block in blocks:
        for track in tracks:
            if track is not None:
                track.add(block)
        yield block


def _assemble(final: _Pass, whole: Form, forms: Sequence[Form | None]) -> _Decoded:
    decoded = final.scan
    whole = replace(whole, scale=decoded.peak.choose_scale(decoded.warnings))
    spoken = replace(whole, spans=())  # each channel is a speaker, in which none cancels another
    warnings = (*decoded.warnings, *describe_track(whole), *final.statistics.describe(spoken))
    tracks = tuple(
        None if form is None or track is None else track.finish(form)
        for form, track in zip(forms, final.tracks, strict=True)
    )
    return _Decoded(whole.fit(decoded.kept), tracks, decoded, warnings)
