"""Segmentation of the waveform into one segment per word.

Aligned segments follow the words' borders; equal segments divide the utterance into as many equal pieces as it has
words (the paper's comparison, Table 3). Neighbours of both kinds overlap by 10 % (Section 3.1.2).
"""

import numpy as np
from numpy.typing import NDArray

from alignment.timing import FRAME_SAMPLES


def segment_by_words(spans: NDArray[np.int64], total_samples: int, overlap: float = 0.1) -> NDArray[np.int64]:
    """Compute the sample bounds of each word's segment.

    Args:
        spans: (words, 2) frames of 10 ms that tile the utterance, from `share_silence`.
        total_samples: Length of the utterance at 16 kHz.
        overlap: Share of its length by which a segment overlaps its neighbours, half on either side.

    Returns:
        (words, 2) start and end in samples, end exclusive, clipped to the utterance.

    Source: Lee, Yoon, Jung 2020, Section 3.1.2.
    """
    return _widen(np.minimum(spans * FRAME_SAMPLES, total_samples), total_samples, overlap)


def segment_equally(count: int, total_samples: int, overlap: float = 0.1) -> NDArray[np.int64]:
    """Compute the sample bounds of `count` segments of equal length, widened as in `segment_by_words`.

    Returns:
        (count, 2) start and end in samples.

    Source: Lee, Yoon, Jung 2020, Section 4.3.2.
    """
    edges = np.arange(count + 1, dtype=np.int64) * total_samples // count
    return _widen(np.stack((edges[:-1], edges[1:]), axis=1), total_samples, overlap)


def _widen(bounds: NDArray[np.int64], total_samples: int, overlap: float) -> NDArray[np.int64]:
    """Widen each segment by `overlap / 2` of its own length on both sides, rounded half up."""
    margins = np.floor((bounds[:, 1] - bounds[:, 0]) * (overlap / 2) + 0.5).astype(np.int64)
    widened = bounds + np.stack((-margins, margins), axis=1)
    clipped: NDArray[np.int64] = np.clip(widened, 0, total_samples)
    return clipped
