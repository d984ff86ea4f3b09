"""Where the waveform is cut, so that audio and text have the same steps.

Aligned: at the words' own borders. Equal: into as many equal pieces as there are words (what the paper compares
with, Table 3). Both give neighbours 10 % of overlap (Section 3.1.2).
"""

import numpy as np
from numpy.typing import NDArray

from alignment.timing import FRAME_SAMPLES


def segment_by_words(spans: NDArray[np.int64], total_samples: int, overlap: float = 0.1) -> NDArray[np.int64]:
    """Sample bounds of each word's segment.

    Args:
        spans: (words, 2) frames of 10 ms that tile the utterance, from `share_silence`.
        total_samples: length of the utterance at 16 kHz.
        overlap: share of its own length by which a segment reaches over, half of it on either side.

    Returns:
        (words, 2) start and end in samples, end exclusive, clipped to the utterance.

    Source: Lee, Yoon, Jung 2020, Section 3.1.2.
    """
    return _widen(np.minimum(spans * FRAME_SAMPLES, total_samples), total_samples, overlap)


def segment_equally(count: int, total_samples: int, overlap: float = 0.1) -> NDArray[np.int64]:
    """Sample bounds of `count` pieces of equal length, widened like `segment_by_words`.

    Returns:
        (count, 2) start and end in samples.

    Source: Lee, Yoon, Jung 2020, Section 4.3.2.
    """
    edges = np.arange(count + 1, dtype=np.int64) * total_samples // count
    return _widen(np.stack((edges[:-1], edges[1:]), axis=1), total_samples, overlap)


def _widen(bounds: NDArray[np.int64], total_samples: int, overlap: float) -> NDArray[np.int64]:
    """Reaches over by `overlap / 2` of each segment's own length on both sides, rounded half up."""
    margins = np.floor((bounds[:, 1] - bounds[:, 0]) * (overlap / 2) + 0.5).astype(np.int64)
    widened = bounds + np.stack((-margins, margins), axis=1)
    clipped: NDArray[np.int64] = np.clip(widened, 0, total_samples)
    return clipped
