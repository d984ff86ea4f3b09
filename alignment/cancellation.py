"""Channels that cancel each other in their average, found window by window: polarity may change inside a file.

For each window of half a second, the covariances of the channels show whether their average is nearly silent. One
channel takes its place there, also in the windows before and after, in which the change may be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_WINDOW_S: Final = 0.5
# The average of N independent channels has an Nth of their mean power; a fifth of that is no accident.
_CANCELLED_SHARE: Final = 0.2
_EQUAL_SHARE: Final = 0.99
# 30 dB under the loudest window: noise of a codec between words may be in opposite phase.
_QUIET_SHARE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Span:
    """Samples from `start` up to `end` at the rate of the file, in which one channel is used.

    Attributes:
        start: First sample.
        end: Sample after the last one.
        channel: Index of the channel.
        shift: Subtracted, so that the offset is that of the average.
    """

    start: int
    end: int
    channel: int
    shift: float


def cancel(covariances: NDArray[np.float64]) -> bool:
    """Whether the average of channels is nearly silent, by their (channels, channels) covariances."""
    independent = covariances.trace() / len(covariances) ** 2
    return bool(covariances.mean() < _CANCELLED_SHARE * independent)


def find_strongest(powers: NDArray[np.float64]) -> int:
    """Index of the strongest channel by (channels,) powers; of equally strong ones, the first."""
    return int((powers >= _EQUAL_SHARE * powers.max()).argmax())


class CancellationWindows:
    """Covariances of consecutive windows, updated block by block."""

    def __init__(self, rate_hz: int) -> None:
        """Begin without a window.

        Args:
            rate_hz: Rate of the samples.
        """
        self._size = max(1, round(_WINDOW_S * rate_hz))
        self._count = 0
        self._sums = self._products = np.zeros(1)
        self._total = np.zeros(1)
        # (channels,) powers of each window, and whether the channels cancel in it.
        self._powers: list[NDArray[np.float64]] = []
        self._flags: list[bool] = []

    def add(self, rows: NDArray[np.float64]) -> None:
        """Add a block: (channels, samples)."""
        at = 0
        while at < rows.shape[1]:
            piece = rows[:, at : at + self._size - self._count]
            self._sums = self._sums + piece.sum(axis=1)
            self._products = self._products + piece @ piece.T
            self._count += piece.shape[1]
            at += piece.shape[1]
            if self._count == self._size:
                self._close()

    @property
    def products(self) -> NDArray[np.float64]:
        """(channels, channels) sums of the products of all samples."""
        return self._total + self._products

    def find_spans(self, means: NDArray[np.float64]) -> tuple[Span, ...] | None:
        """Spans in which the channels cancel each other; None where they do so wherever there is sound.

        Args:
            means: (channels,) means of the file.
        """
        if self._count > self._size // 2 or not self._flags:
            self._close()
        powers = np.array(self._powers)
        loudest = powers.max(axis=1)
        loud = loudest > _QUIET_SHARE * loudest.max()
        flags = np.array(self._flags) & loud
        if not flags.any():
            return ()
        if flags[loud].all():
            return None
        return tuple(self._make_span(first, last, powers, means) for first, last in _find_runs(_widen(flags)))

    def _make_span(self, first: int, last: int, powers: NDArray[np.float64], means: NDArray[np.float64]) -> Span:
        channel = find_strongest(powers[first:last].sum(axis=0))
        # The rest after the last window is shorter than half of one.
        end = self._size * (last + (last == len(powers)))
        return Span(self._size * first, end, channel, float(means[channel] - means.mean()))

    def _close(self) -> None:
        """Judge the window and begin the next one."""
        means = self._sums / max(1, self._count)
        covariances = self._products / max(1, self._count) - np.outer(means, means)
        self._flags.append(cancel(covariances))
        self._powers.append(covariances.diagonal())
        self._total = self._total + self._products
        self._sums, self._products, self._count = np.zeros(1), np.zeros(1), 0


def describe_spans(spans: Sequence[Span], rate_hz: int) -> str:
    """Message about spans in which one channel is used.

    Args:
        spans: At least one.
        rate_hz: Rate of their samples.
    """
    start_s = spans[0].start / rate_hz
    if len(spans) == 1:
        return f"the channels cancel each other at {start_s:.1f} s; channel {spans[0].channel + 1} is used there"
    return (
        f"the channels cancel each other in {len(spans)} places, the first at {start_s:.1f} s; "
        "the strongest one is used there"
    )


def _widen(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Flags with those of the window before and after each."""
    wide = flags.copy()
    wide[1:] |= flags[:-1]
    wide[:-1] |= flags[1:]
    return wide


def _find_runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Index of the first window of each run, and that after its last one."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
