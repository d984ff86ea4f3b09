"""Frames of a recogniser's encoder under the segments of an utterance."""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FrontEnd = Literal["mfcc", "encoder", "both"]
ENCODER_SIZE: Final = 288
"""Values of a state of Moonshine tiny."""
ENCODER_HOP_SAMPLES: Final = 384


class SpeechEncoder(Protocol):
    """Encoder of a speech recogniser; thread-safe."""

    def encode(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the states, (frames, 288), a frame every 384 samples.

        Args:
            samples: (samples,) float32 at 16 kHz, a stretch of speech.
        """


@dataclass(frozen=True, slots=True, eq=False)
class SelectedFrames:
    """Frames of all segments, segment after segment.

    Attributes:
        index: (frames,) int64 index of the state.
        counts: (segments,) int64, at least 1 each.
    """

    index: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """(frames,) int64 first sample of each frame, from the start of the stretch."""
        return self.index * ENCODER_HOP_SAMPLES


def select_frames(bounds: NDArray[np.int64], total: int) -> SelectedFrames:
    """Select the frames that overlap each segment, at least one.

    Args:
        bounds: (segments, 2) samples from the start of the stretch.
        total: Number of frames of the stretch, at least 1.
    """
    first = np.clip(bounds[:, 0] // ENCODER_HOP_SAMPLES, 0, total - 1)
    end = np.clip(-(-bounds[:, 1] // ENCODER_HOP_SAMPLES), first + 1, total)
    counts = end - first
    offsets = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return SelectedFrames(np.repeat(first, counts) + offsets, counts)
