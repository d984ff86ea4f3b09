"""Segmentation of the waveform into one segment per word.

Aligned segments follow the words' borders, after silence is shared between the words; equal segments divide the
utterance into as many equal pieces as it has words (the paper's comparison, Table 3). Neighbours of both kinds overlap
by 10 % (Section 3.1.2).
"""

import numpy as np
from numpy.typing import NDArray

from alignment.timing import FRAME_SAMPLES


def share_silence(spans: NDArray[np.int64], total_frames: int) -> NDArray[np.int64]:
    """Extend the words' spans so that they tile the utterance.

    The time of `<s>`, `<sil>`, `</s>` and of other gaps belongs to the neighbouring words. A gap between two words is
    split in half, with an odd frame for the word on its left; the silence at the start and at the end belongs to the
    first and to the last word.

    Args:
        spans: (words, 2) start and end of each word in frames of 10 ms, end exclusive, in order.
        total_frames: Length of the utterance in frames.

    Returns:
        (words, 2) frames: the first span starts at 0, each following one at the end of the previous one, and the last
        one ends at `total_frames`.

    Source: Lee, Yoon, Jung 2020, Section 4.2 and Table 1: special tokens are removed "and their durations are equally
    divided into the neighboring words".
    """
    gaps = spans[1:, 0] - spans[:-1, 1]
    inner_edges = spans[:-1, 1] + (gaps + 1) // 2
    edges = np.concatenate(([0], inner_edges, [total_frames]))
    edges = np.minimum(np.maximum.accumulate(edges), total_frames)
    return np.stack((edges[:-1], edges[1:]), axis=1)


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
