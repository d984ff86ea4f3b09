"""Ragged batches: segments gathered from flat frames straight into the order that a packed LSTM reads.

Words differ in length by a factor of ten, so most of a padded batch is padding. A packed sequence holds, for each time
step, the frames of the segments that still run, longest segment first; here it is gathered without padding anything.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What the network reads.

    Attributes:
        frames: packed (frames, n_mfcc) of all segments.
        segment_of_row: (frames,) which segment each packed row belongs to.
        frame_counts: (segments,) int64.
        segment_index: (batch, words) int64: 0 = padding, i + 1 = segment i.
        words: (batch, words) int64 vocabulary indices, 0 = padding.
        word_counts: (batch,) int64, at least 1.
        labels: (batch,) int64, empty when there are none.
    """

    frames: PackedSequence
    segment_of_row: Tensor
    frame_counts: Tensor
    segment_index: Tensor
    words: Tensor
    word_counts: Tensor
    labels: Tensor

    @property
    def mask(self) -> Tensor:
        """(batch, words) bool, True = real word."""
        return torch.arange(self.words.shape[1], device=self.words.device) < self.word_counts.unsqueeze(1)


@dataclass(frozen=True, slots=True, eq=False)
class RaggedData:
    """Utterances as flat tensors, from which any batch is gathered.

    Attributes:
        frames: (all frames, n_mfcc) normalised.
        frame_starts: (all segments,) int64 first frame of each segment.
        frame_counts: (all segments,) int64.
        words: (all segments,) int64 vocabulary index of each segment's word.
        first_segments: (utterances,) int64.
        word_counts: (utterances,) int64.
        labels: (utterances,) int64.
    """

    frames: Tensor
    frame_starts: Tensor
    frame_counts: Tensor
    words: Tensor
    first_segments: Tensor
    word_counts: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, utterances: Tensor) -> Batch:
        """Batch of some utterances, (batch,) int64, in that order."""
        counts = self.word_counts[utterances]
        longest = int(counts.max())
        position = torch.arange(longest, device=counts.device)
        real = position < counts.unsqueeze(1)
        segments = (self.first_segments[utterances].unsqueeze(1) + position)[real]
        segment_index = torch.zeros_like(real, dtype=torch.int64)
        segment_index[real] = torch.arange(1, len(segments) + 1, device=counts.device)
        words = torch.zeros_like(segment_index)
        words[real] = self.words[segments]
        frame_counts = self.frame_counts[segments]
        packed, segment_of_row = pack_segments(self.frames, self.frame_starts[segments], frame_counts)
        return Batch(packed, segment_of_row, frame_counts, segment_index, words, counts, self.labels[utterances])


def pack_segments(frames: Tensor, starts: Tensor, counts: Tensor) -> tuple[PackedSequence, Tensor]:
    """Packed sequence of segments that lie anywhere in a flat array.

    Args:
        frames: (all frames, n_mfcc).
        starts: (segments,) int64 first frame of each.
        counts: (segments,) int64 frames of each, at least 1.

    Returns:
        The packed sequence, in the segments' own order once unpacked; and (rows,) which segment each row is of.
    """
    order = torch.argsort(counts, descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    segment = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    step = torch.arange(len(segment), device=counts.device) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    running = torch.bincount(step)
    row = (running.cumsum(0) - running)[step] + rank[segment]
    source = torch.empty_like(row)
    source[row] = starts[segment] + step
    segment_of_row = torch.empty_like(row)
    segment_of_row[row] = segment
    packed = PackedSequence(frames[source], running.cpu(), order, rank)
    return packed, segment_of_row
