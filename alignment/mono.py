"""Sound of any file in one form: one channel, no constant offset, 16 kHz, within full scale.

Everything works block by block. What depends on the whole file (which channels cancel each other, the offset, the
peak) is measured in a first pass by `ChannelStatistics` and `Peak`, and is the `Form` of later passes.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from alignment import errors
from alignment.cancellation import CancellationWindows, Span, describe_spans, find_strongest
from alignment.sample_blocks import SampleBlocks
from alignment.timing import SAMPLE_RATE_HZ, Seconds

_OVERSHOOT_SHARE: Final = 1e-3
_NOTABLE_OFFSET: Final = 0.02
_NEGLIGIBLE_OFFSET: Final = 1e-3
# Eight channels at 96 kHz; more only for so long that the number of samples is that of five minutes.
MAX_DENSITY_HZ: Final = 768_000
MAX_DENSE_SAMPLES: Final = 300 * MAX_DENSITY_HZ


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of decoding.

    Attributes:
        max_duration_s: Longest audio.
        abandoned: Returns whether the request has ended.
        before_s: Length of the joined files before this one, which counts as well.
        dense_before: Number of their samples, in all channels of those with many channels or a high rate.
    """

    max_duration_s: Seconds
    abandoned: Callable[[], bool] = lambda: False
    before_s: Seconds = 0.0
    dense_before: int = 0

    def after(self, duration_s: Seconds, rate_hz: int, channels: int) -> "Bounds":
        """Limits of the next joined file.

        Args:
            duration_s: Length of a file.
            rate_hz: Its rate.
            channels: Number of its channels.
        """
        density_hz = rate_hz * channels
        dense = round(duration_s * density_hz) if density_hz > MAX_DENSITY_HZ else 0
        return replace(self, before_s=self.before_s + duration_s, dense_before=self.dense_before + dense)


@dataclass(frozen=True, slots=True)
class Form:
    """Conversion of the channels of a file to one.

    Attributes:
        channel: Index of the only channel that is used; None for the average.
        offset: Subtracted before resampling, whose filter would make a click of it at both ends.
        residual: Small offset that is subtracted after resampling, which saves a second pass.
        scale: Divisor of the samples; None where they are clipped.
        track: Index of the audio track.
        spans: Samples in which one channel is used in place of the average, in order.
    """

    channel: int | None = None
    offset: float = 0.0
    residual: float = 0.0
    scale: float | None = None
    track: int = 0
    spans: tuple[Span, ...] = ()

    def mix(self, block: NDArray[np.float32], at: int = 0) -> NDArray[np.float32]:
        """(samples,) of a block.

        Args:
            block: (samples, channels).
            at: Number of samples before it.
        """
        channel = 0 if block.shape[1] == 1 else self.channel
        mono: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32) if channel is None else block[:, channel]
        for span in self._spans_in(at, at + len(block)):
            inside = slice(max(0, span.start - at), span.end - at)
            mono[inside] = block[inside, span.channel] - np.float32(span.shift)
        return mono - np.float32(self.offset) if self.offset else mono

    def _spans_in(self, start: int, end: int) -> Sequence[Span]:
        first = bisect_right(self.spans, start, key=lambda span: span.end)
        return self.spans[first : bisect_left(self.spans, end, key=lambda span: span.start)]

    def fit(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(samples,) within [-1, 1] of resampled ones."""
        centred = samples - np.float32(self.residual) if self.residual else samples
        scaled = centred if self.scale is None else centred / np.float32(self.scale)
        fitted: NDArray[np.float32] = np.clip(scaled, -1.0, 1.0)
        return fitted


class ChannelStatistics:
    """Offset and power of the channels and of their average, updated block by block."""

    def __init__(self, rate_hz: int) -> None:
        """Begin without a sample.

        Args:
            rate_hz: Rate of the samples.
        """
        self._count, self._rate_hz = 0, rate_hz
        # (channels,) from the first block on, whose number of channels was checked.
        self._sums = np.zeros(1)
        self._windows = CancellationWindows(rate_hz)
        self._lowest, self._highest = np.full(1, np.inf), np.full(1, -np.inf)

    def add(self, block: NDArray[np.float32]) -> None:
        """Add a block: (samples, channels)."""
        self._count += len(block)
        # One row per channel: reductions over columns are several times as slow.
        rows = np.ascontiguousarray(block.T)
        self._sums = self._sums + rows.sum(axis=1, dtype=np.float64)
        self._lowest = np.minimum(self._lowest, rows.min(axis=1, initial=np.inf))
        self._highest = np.maximum(self._highest, rows.max(axis=1, initial=-np.inf))
        if len(rows) > 1:
            self._windows.add(rows.astype(np.float64))

    def is_silent(self, channel: int | None) -> bool:
        """Whether a channel, or every one, is constant."""
        constant = self._lowest == self._highest
        return bool(constant.all() if channel is None else constant[channel])

    def choose_form(self, channel: int | None) -> Form:
        """Form with the offset, and with the strongest channel wherever the channels cancel each other.

        Args:
            channel: Index of the requested channel; None for all.
        """
        spans: tuple[Span, ...] | None = ()
        if channel is None and len(self._sums) > 1 and not self.is_silent(None):
            spans = self._windows.find_spans(self._sums / self._count)
            channel = find_strongest(self._powers) if spans is None else None
        offset = self._offset(channel)
        negligible = abs(offset) <= _NEGLIGIBLE_OFFSET * self._full_scale
        form = Form(channel, 0.0, offset) if negligible else Form(channel, offset)
        return replace(form, spans=spans or ())

    def describe(self, form: Form) -> list[str]:
        """Messages about the offset of a form, and about its spans."""
        offset = form.offset / self._full_scale
        removed = [f"a constant offset of {offset:.2f} was removed"] if abs(offset) > _NOTABLE_OFFSET else []
        return [*removed, *([describe_spans(form.spans, self._rate_hz)] if form.spans else [])]

    @property
    def peak(self) -> float:
        """Half of the largest range of a channel: its peak without a constant offset."""
        return max(0.0, float((self._highest - self._lowest).max()) / 2) if self._count else 0.0

    @property
    def _full_scale(self) -> float:
        """1, or the peak of a float file on another scale."""
        return max(1.0, -float(self._lowest.min()), float(self._highest.max()))

    def _offset(self, channel: int | None) -> float:
        return float((self._sums.mean() if channel is None else self._sums[channel]) / self._count)

    @property
    def _powers(self) -> NDArray[np.float64]:
        """(channels,) powers without offset."""
        powers: NDArray[np.float64] = self._windows.products.diagonal() / self._count - (self._sums / self._count) ** 2
        return powers


class MonoBlocks:
    """Blocks of one channel at the rate of the file, counted and checked."""

    def __init__(
        self, opened: SampleBlocks, bounds: Bounds, form: Form, statistics: ChannelStatistics | None = None
    ) -> None:
        """Read nothing yet.

        Args:
            opened: The file.
            bounds: Limits.
            form: Channel and offset.
            statistics: Updated with each block; None in a later pass.
        """
        self.count = 0
        self._opened, self._bounds, self._form, self._statistics = opened, bounds, form, statistics

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        rate = self._opened.sample_rate_hz
        for block in self._opened.blocks:
            mono = self._form.mix(block, self.count)
            finite = np.isfinite(mono)
            if not finite.all():
                raise errors.NonFiniteAudioError(self._bounds.before_s + (self.count + int(finite.argmin())) / rate)
            self.count += len(mono)
            if self._bounds.before_s + self.count / rate > self._bounds.max_duration_s:
                raise errors.AudioTooLongError(self._bounds.before_s + self.count / rate, self._bounds.max_duration_s)
            self._check_density()
            if self._bounds.abandoned():
                raise errors.DecodingAbandonedError()
            if self._statistics is not None:
                self._statistics.add(block)
            yield mono

    def _check_density(self) -> None:
        """Raise where a small file costs more to decode than a recording of speech can."""
        rate, channels = self._opened.sample_rate_hz, self._opened.channels
        if rate * channels > MAX_DENSITY_HZ and self._bounds.dense_before + self.count * channels > MAX_DENSE_SAMPLES:
            raise errors.AudioTooLargeError(rate, channels, MAX_DENSE_SAMPLES / (rate * channels))


class Resampler:
    """Resampler of consecutive blocks of one channel to 16 kHz."""

    def __init__(self, rate_hz: int) -> None:
        """Resample nothing yet.

        Args:
            rate_hz: Rate of the blocks.
        """
        same = rate_hz == SAMPLE_RATE_HZ
        self._stream = None if same else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """(samples,) at 16 kHz that are complete with the block: (samples,)."""
        resampled: NDArray[np.float32] = block if self._stream is None else self._stream.resample_chunk(block)
        return resampled

    def finish(self) -> NDArray[np.float32]:
        """(samples,) at 16 kHz that are left after the last block."""
        end = np.zeros(0, np.float32)
        if self._stream is not None:
            end = self._stream.resample_chunk(end, last=True)
        return end


def resample_blocks(blocks: MonoBlocks, rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """Resample block by block to 16 kHz."""
    resampler = Resampler(rate_hz)
    for block in blocks:
        yield resampler.push(block)
    yield resampler.finish()


class Peak:
    """Peak of the samples, updated block by block.

    A filter or a lossy codec overshoots by a few samples, which are clipped; a float file on another scale is scaled.
    """

    def __init__(self) -> None:
        self.count = 0
        self._peak = 0.0
        self._over = 0
        self._not_finite_s: Seconds | None = None

    def add(self, samples: NDArray[np.float32]) -> None:
        """Add a block: (samples,)."""
        size = np.abs(samples)
        peak = float(size.max(initial=0.0))
        if not np.isfinite(peak) and self._not_finite_s is None:
            self._not_finite_s = (self.count + float(np.isfinite(samples).argmin())) / SAMPLE_RATE_HZ
        self._peak = max(self._peak, peak)
        self._over += int(np.count_nonzero(size > 1.0))
        self.count += len(samples)

    def choose_scale(self, warnings: list[str]) -> float | None:
        """Divisor of the samples; None to clip them.

        Args:
            warnings: Extended where the samples are scaled.

        Raises:
            NonFiniteAudioError: A sample overflowed.
        """
        if self._not_finite_s is not None:
            raise errors.NonFiniteAudioError(self._not_finite_s)
        if self._over <= _OVERSHOOT_SHARE * self.count:
            return None
        warnings.append(f"samples reach {self._peak:.3g} times full scale; the audio was scaled down")
        return self._peak
