"""Distribution of the time of `<s>`, `<sil>`, `</s>` and of gaps to the neighbouring words.

Source: Lee, Yoon, Jung 2020, Section 4.2: special tokens are removed "and their durations are equally divided into
the neighboring words".
"""

import numpy as np
from numpy.typing import NDArray


def share_silence(spans: NDArray[np.int64], total_frames: int) -> NDArray[np.int64]:
    """Extend the words' spans so that they tile the utterance.

    A gap between two words is split in half, with an odd frame for the word on its left; the silence at the start and
    at the end belongs to the first and to the last word.

    Args:
        spans: (words, 2) start and end of each word in frames of 10 ms, end exclusive, in order.
        total_frames: Length of the utterance in frames.

    Returns:
        (words, 2) frames: the first span starts at 0, each following one at the end of the previous one, and the last
        one ends at `total_frames`.

    Source: Lee, Yoon, Jung 2020, Section 4.2 and Table 1.
    """
    gaps = spans[1:, 0] - spans[:-1, 1]
    inner_edges = spans[:-1, 1] + (gaps + 1) // 2
    edges = np.concatenate(([0], inner_edges, [total_frames]))
    edges = np.minimum(np.maximum.accumulate(edges), total_frames)
    return np.stack((edges[:-1], edges[1:]), axis=1)
