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
from alignment.audio import Waveform
from alignment.containers import read_recording
from alignment.mono import Bounds, ChannelStatistics, Form, Peak, Resampler
from alignment.parts import Part
from alignment.sample_blocks import SampleBlocks
from alignment.timing import Seconds

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


def _decode_parts(parts: Sequence[Part], bounds: Bounds) -> Waveform:
    def decode(track: int) -> _Pass:
        return read_recording(parts, lambda opened: _decode(opened, bounds, Form(), None), track)

    first, track = audio.choose_track(parts, decode, lambda decoded: decoded.statistics)
    statistics, source = first.statistics, first.scan.source
    if statistics.is_silent(None):
        raise errors.SilentAudioError(source.duration_s)
    whole = replace(statistics.choose_form(None), track=track)
    forms = [None if statistics.is_silent(c) else statistics.choose_form(c) for c in range(source.channels)]
    # A residual, in contrast to an offset, is subtracted from the samples that the first pass has resampled.
    if whole.channel is None and not any(form is not None and form.offset for form in (whole, *forms)):
        return _assemble(first, whole, forms)
    second = read_recording(parts, lambda opened: _decode(opened, bounds, whole, forms), track)
    return _assemble(second, whole, forms)


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

    scan: audio._Scan
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
    audio._check_bounds("number of channels for one speaker each", opened.channels, _SPEAKER_BOUNDS)
    statistics = ChannelStatistics()
    chosen = forms or [Form(channel) for channel in range(opened.channels)]
    tracks = [None if form is None else _Track(form, opened.sample_rate_hz) for form in chosen]
    opened.blocks = _feed(opened.blocks, tracks)
    return _Pass(audio._scan(opened, bounds, whole, inf, statistics), statistics, tracks)


def _feed(blocks: Iterator[NDArray[np.float32]], tracks: Sequence[_Track | None]) -> Iterator[NDArray[np.float32]]:
    """Yield the blocks, each after it has been added to the tracks."""
    for block in blocks:
        for track in tracks:
            if track is not None:
                track.add(block)
        yield block


def _assemble(final: _Pass, whole: Form, forms: Sequence[Form | None]) -> Waveform:
    scan = final.scan
    whole = replace(whole, scale=scan.peak.choose_scale(scan.warnings))
    warnings = (*scan.warnings, *audio.describe_track(whole), *final.statistics.describe(whole))
    survey = audio._Survey(whole.fit(scan.kept), scan.source, whole, warnings)
    tracks = tuple(
        None if form is None or track is None else track.finish(form)
        for form, track in zip(forms, final.tracks, strict=True)
    )
    return replace(audio._to_waveform(survey, survey.warnings), tracks=tracks)
