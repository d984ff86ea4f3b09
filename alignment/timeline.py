"""Timestamps of a container compared with its samples: gaps become silence, so that times match a player's."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.timing import Seconds

# Shorter differences are jitter and rounding. Source: `min_hard_comp` of FFmpeg's resampler, which does the same.
_TOLERANCE_S: Final[Seconds] = 0.1
_LONGEST_GAP_S: Final[Seconds] = 14_400.0
_PIECE_SAMPLES: Final = 65_536


class Timeline:
    """Position of decoded samples on the timeline of a container."""

    def __init__(
        self,
        rate_hz: int,
        channels: int,
        start_s: Seconds | None,
        end_s: Seconds,
        *,
        tolerance_s: Seconds = _TOLERANCE_S,
    ) -> None:
        """Begin at the start of the container.

        Args:
            rate_hz: Rate of the samples.
            channels: Number of channels.
            start_s: Timestamp at which the container begins; None for that of the first sample.
            end_s: Length of the container, 0 where it states none.
            tolerance_s: Difference that is jitter or rounding.
        """
        self._rate_hz, self._channels, self._start_s, self._tolerance_s = rate_hz, channels, start_s, tolerance_s
        self._latest_s = end_s or _LONGEST_GAP_S
        self._samples = 0
        self._previous_s: Seconds | None = None
        self._gaps: list[tuple[Seconds, Seconds]] = []
        self._overlap_s = self._ignored_s = 0.0

    def fill(self, time_s: Seconds | None) -> Iterator[NDArray[np.float32]]:
        """Silence before samples with a timestamp: (samples, channels) blocks, none where they follow directly.

        Timestamps that begin again, or that are earlier than the samples before them, move the origin: no sample is
        left out.

        Args:
            time_s: Timestamp of the next samples; None where they have none.
        """
        if time_s is None:
            return
        if self._start_s is None:
            self._start_s = time_s
        position_s = self._samples / self._rate_hz
        gap_s = time_s - self._start_s - position_s
        begins_again = self._previous_s is not None and time_s <= self._previous_s
        self._previous_s = time_s
        if abs(gap_s) <= self._tolerance_s:
            return
        if gap_s < 0 or position_s + gap_s > self._latest_s + 1.0:
            self._start_s += gap_s
            if gap_s > 0:
                self._ignored_s += gap_s
            elif not begins_again:
                self._overlap_s -= gap_s
            return
        self._gaps.append((position_s, gap_s))
        yield from self._silence(round(gap_s * self._rate_hz))

    def advance(self, samples: int) -> None:
        """Count decoded samples."""
        self._samples += samples

    def describe(self) -> Iterator[str]:
        """Messages about gaps and overlaps, after the last sample."""
        if late_s := sum(gap_s for position_s, gap_s in self._gaps if not position_s):
            yield f"the sound begins {late_s:.1f} s after the start of the file; silence comes first"
        if pauses := [(position_s, gap_s) for position_s, gap_s in self._gaps if position_s]:
            total_s, first_s = sum(gap_s for _, gap_s in pauses), pauses[0][0]
            places = f"in {len(pauses)} places, the first" if len(pauses) > 1 else "once,"
            yield (
                f"the timestamps leave out {total_s:.1f} s ({places} at {first_s:.1f} s), "
                "as where a recorder paused or data are lost; silence takes their place"
            )
        if self._overlap_s:
            yield (
                f"the timestamps overlap by {self._overlap_s:.1f} s in total; all sound was used, so that times can be "
                "later than in a player"
            )
        if self._ignored_s:
            yield f"the timestamps leap by {self._ignored_s:.0f} s beyond the end of the file, which was ignored"

    def _silence(self, samples: int) -> Iterator[NDArray[np.float32]]:
        for start in range(0, samples, _PIECE_SAMPLES):
            count = min(_PIECE_SAMPLES, samples - start)
            self._samples += count
            yield np.zeros((count, self._channels), np.float32)
