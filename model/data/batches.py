"""Ragged batches: segments gathered from flat frames directly into the order of a packed sequence.

Words differ in length by a factor of ten, so most of a padded batch is padding. A packed sequence contains, for each
time step, the frames of the segments that have not ended, longest segment first; it is gathered here without padding.
"""

from dataclasses import dataclass, field, fields
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from model.data.mixup import Mix


@dataclass(frozen=True, eq=False)
class Batch:
    """Input of the network.

    Attributes:
        frames: Packed (frames, frame size) of all segments.
        segment_of_row: (frames,) segment of each packed row.
        frame_counts: (segments,) int64.
        segment_index: (batch, segments) int64: 0 = padding, i + 1 = segment i.
        segment_counts: (batch,) int64: the number of words, or 1 for the segmentation "whole".
        words: (batch, words) int64 vocabulary indices, 0 = padding.
        word_counts: (batch,) int64, at least 1.
        labels: (batch,) int64, empty without labels.
        mix: Pairs of utterances to mix; None outside training.
    """

    frames: PackedSequence
    segment_of_row: Tensor
    frame_counts: Tensor
    segment_index: Tensor
    segment_counts: Tensor
    words: Tensor
    word_counts: Tensor
    labels: Tensor
    mix: Mix | None = None

    @property
    def mask(self) -> Tensor:
        """(batch, words) bool, True = real word."""
        return torch.arange(self.words.shape[1], device=self.words.device) < self.word_counts.unsqueeze(1)

    @cached_property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """(segments, frame size) means and variances of the frames of each segment."""
        rows, counts = self.frames.data, self.frame_counts.unsqueeze(1)
        zeros = rows.new_zeros(len(counts), rows.shape[1])
        means = zeros.index_add(0, self.segment_of_row, rows) / counts
        return means, zeros.index_add(0, self.segment_of_row, (rows - means[self.segment_of_row]) ** 2) / counts

    @property
    def utterance_of_row(self) -> Tensor:
        """(frames,) int64 utterance of each packed row."""
        utterances = torch.arange(len(self.segment_counts), device=self.words.device)
        return torch.repeat_interleave(utterances, self.segment_counts)[self.segment_of_row]


@dataclass(frozen=True, eq=False)
class RaggedData:
    """Utterances as flat tensors, from which batches are gathered.

    Attributes:
        frames: (all frames, frame size), not normalised; single or half precision.
        frame_counts: (all segments,) int64.
        segment_counts: (utterances,) int64.
        words: (all words,) int64 vocabulary indices.
        word_counts: (utterances,) int64.
        labels: (utterances,) int64.
        mean: (frame size,) or (1,) subtracted from each frame of a batch.
        std: (frame size,) or (1,) divisor of each frame of a batch.
    """

    frames: Tensor
    frame_counts: Tensor
    segment_counts: Tensor
    words: Tensor
    word_counts: Tensor
    labels: Tensor
    mean: Tensor = field(default_factory=lambda: torch.zeros(1))
    std: Tensor = field(default_factory=lambda: torch.ones(1))

    @cached_property
    def frame_starts(self) -> Tensor:
        """(all segments,) int64 index of the first frame of each segment."""
        return self.frame_counts.cumsum(0) - self.frame_counts

    @cached_property
    def first_segments(self) -> Tensor:
        """(utterances,) int64 index of the first segment of each utterance."""
        return self.segment_counts.cumsum(0) - self.segment_counts

    @cached_property
    def first_words(self) -> Tensor:
        """(utterances,) int64 index of the first word of each utterance."""
        return self.word_counts.cumsum(0) - self.word_counts

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: str) -> "RaggedData":
        """Copy on a device."""
        return RaggedData(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def batch(self, utterances: Tensor) -> Batch:
        """Batch of some utterances, (batch,) int64, in the given order."""
        segment_counts, word_counts = self.segment_counts[utterances], self.word_counts[utterances]
        segments, real = _rows_of(self.first_segments[utterances], segment_counts)
        segment_index = torch.zeros_like(real, dtype=torch.int64)
        segment_index[real] = torch.arange(1, len(segments) + 1, device=segments.device)
        word_rows, real = _rows_of(self.first_words[utterances], word_counts)
        words = torch.zeros_like(real, dtype=torch.int64)
        words[real] = self.words[word_rows]
        frame_counts = self.frame_counts[segments]
        packed, segment_of_row = pack_segments(self.frames, self.frame_starts[segments], frame_counts)
        return Batch(
            packed._replace(data=(packed.data.float() - self.mean) / self.std),
            segment_of_row,
            frame_counts,
            segment_index,
            segment_counts,
            words,
            word_counts,
            self.labels[utterances],
        )


def _rows_of(firsts: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Rows first, first + 1, … of each utterance, flat, and their positions as a (batch, longest) bool mask."""
    position = torch.arange(int(counts.max()), device=counts.device)
    real = position < counts.unsqueeze(1)
    return (firsts.unsqueeze(1) + position)[real], real


def pack_segments(frames: Tensor, starts: Tensor, counts: Tensor) -> tuple[PackedSequence, Tensor]:
    """Packed sequence of segments at any positions of a flat array.

    Args:
        frames: (all frames, frame size).
        starts: (segments,) int64 first frame of each segment.
        counts: (segments,) int64 frames of each segment, at least 1.

    Returns:
        The packed sequence, which unpacks to the order of the segments, and (rows,) the segment of each row.
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
