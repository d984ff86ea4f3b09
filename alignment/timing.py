"""Conversion between seconds, samples and frames, with one rounding rule.

Everything after decoding runs at 16 kHz; alignment counts time in frames of 10 ms, the unit of IEMOCAP's alignment
files. A number between two units is rounded to the nearest one, a half up.
"""

from math import floor
from typing import Final

SAMPLE_RATE_HZ: Final = 16_000
FRAME_SAMPLES: Final = 160
FRAMES_PER_S: Final = SAMPLE_RATE_HZ // FRAME_SAMPLES
LENGTH_RATIO: Final = 0.97
"""Least share of the true length that a stated one has, or the reverse, where they agree."""

Seconds = float


def round_half_up(value: float) -> int:
    """Nearest integer; a half is rounded up (`round` gives 0 for 0.5 and 2 for 1.5)."""
    return floor(value + 0.5)


def seconds_to_samples(time_s: Seconds) -> int:
    """Sample index at 16 kHz nearest to a time."""
    return round_half_up(time_s * SAMPLE_RATE_HZ)


def samples_to_seconds(samples: int) -> Seconds:
    """Time of a sample index at 16 kHz."""
    return samples / SAMPLE_RATE_HZ


def seconds_to_frames(time_s: Seconds) -> int:
    """Frame boundary (10 ms) nearest to a time."""
    return round_half_up(time_s * FRAMES_PER_S)


def frames_to_seconds(frames: int) -> Seconds:
    """Time of a frame boundary."""
    return frames / FRAMES_PER_S


def samples_to_whole_frames(samples: int) -> int:
    """Number of frames that cover a number of samples, the last one possibly in part."""
    return -(-samples // FRAME_SAMPLES)
