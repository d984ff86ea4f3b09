"""Text encoder and two-level audio encoder: Eqs. (1) to (3) and Section 3.2.2.

Source: Lee, Yoon, Jung 2020, Sections 3.2.1 and 3.2.2, Figure 1.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from model.config import NetworkConfig
from model.data.batches import Batch
from model.data.mixup import Mix
from model.network.packed_lstm import run_bilstm
from model.vocabulary import PADDING

# Keeps the gradient of a standard deviation finite for a segment of one frame.
_VARIANCE_FLOOR = 1e-4
_DEVIATION_FLOOR = 1e-3


Blend = Callable[[Tensor], Tensor]


class SequenceEncoder(nn.Module):
    """A BLSTM over words, then dropout.

    Source: Lee, Yoon, Jung 2020, Eqs. (1) to (3).
    """

    def __init__(self, input_size: int, config: NetworkConfig) -> None:
        """Create one bidirectional layer of `config.hidden` units per direction."""
        super().__init__()
        self.lstm = nn.LSTM(input_size, config.hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, steps: Tensor, counts: Tensor) -> Tensor:
        """Compute hidden states.

        Args:
            steps: (batch, words, input size), padded to the longest row.
            counts: (batch,) real words of each row, at least 1.

        Returns:
            (batch, words, 2 · hidden) H, zero at padding. Deviation: the paper pads with zeros and starts the backward
            LSTM in the padding; here it starts at the last real word.
        """
        packed = pack_padded_sequence(steps, counts.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(run_bilstm(self.lstm, packed), batch_first=True)
        dropped: Tensor = self.dropout(states)
        return dropped


class TextEncoder(nn.Module):
    """Encoder from word indices to hidden states: trainable embeddings (padding frozen at zero), then a BLSTM.

    Source: Lee, Yoon, Jung 2020, Section 3.2.1.
    """

    def __init__(self, embeddings: Tensor, config: NetworkConfig) -> None:
        """Create the layers from `embeddings`, (vocabulary, embedding_dim), row 0 for padding."""
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(embeddings, freeze=False, padding_idx=PADDING)
        self.encoder = SequenceEncoder(embeddings.shape[1], config)

    def forward(self, words: Tensor, counts: Tensor, mix: Mix | None = None) -> Tensor:
        """(batch, words) indices → (batch, words, 2 · hidden) H^(T); `mix` mixes pairs of utterances, in training."""
        vectors = self.embedding(words)
        states: Tensor = self.encoder(vectors if mix is None else mix.blend(vectors, counts), counts)
        return states


class SegmentEncoder(nn.Module):
    """Lower audio BLSTM: encodes each segment separately into one vector by average pooling.

    Source: Lee, Yoon, Jung 2020, Section 3.2.2; the modules in the dotted box of Figure 1 share these weights.
    """

    def __init__(self, config: NetworkConfig) -> None:
        """Create one bidirectional layer over MFCC frames."""
        super().__init__()
        self.lstm = nn.LSTM(config.frame_size, config.hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(config.dropout)
        self.drops_frames = config.segment_dropout == "frames"
        self.pooled_frames = config.pooled_frames

    def forward(
        self, frames: PackedSequence, segment_of_row: Tensor, counts: Tensor, blend: Blend = lambda rows: rows
    ) -> Tensor:
        """Compute segment vectors.

        Args:
            frames: Packed (rows, frame size).
            segment_of_row: (rows,) segment of each packed row.
            counts: (segments,) frames of each segment.
            blend: Mixes the segments of pairs of utterances, (segments, size), in training.

        Returns:
            (segments, 2 · hidden), the mean over a segment's own frames, after dropout. Deviation: the paper's average
            includes zero padding, which `NetworkConfig.pooled_frames` reproduces.
        """
        states = run_bilstm(self.lstm, frames).data
        if self.drops_frames:
            states = self.dropout(states)
        sums = states.new_zeros(len(counts), states.shape[1]).index_add(0, segment_of_row, states)
        means = self.pool(sums, counts)
        return blend(means if self.drops_frames else self.dropout(means))

    def pool(self, sums: Tensor, counts: Tensor) -> Tensor:
        """Average: (segments, 2 · hidden) sums over frames and (segments,) frame counts → (segments, 2 · hidden)."""
        return sums / (self.pooled_frames or counts.unsqueeze(1))


class Standardisation(nn.Module):
    """Standardisation of each value by its mean and deviation over everything seen in training.

    Unlike batch normalisation it works for a batch of one row, and training and evaluation compute the same.
    """

    count: Tensor
    mean: Tensor
    squares: Tensor

    def __init__(self, size: int) -> None:
        """Start without data."""
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("squares", torch.ones(size))

    def forward(self, rows: Tensor) -> Tensor:
        """(rows, size) → the same, standardised; in training the rows are added to the statistics first."""
        if self.training:
            self._add(rows.detach())
        deviation = (self.squares / self.count.clamp_min(1.0)).sqrt() + _DEVIATION_FLOOR
        return (rows - self.mean) / deviation

    def _add(self, rows: Tensor) -> None:
        """Combine with the statistics of further rows (Chan, Golub, LeVeque 1983)."""
        count, mean = self.count + len(rows), rows.mean(dim=0)
        difference = mean - self.mean
        squares = ((rows - mean) ** 2).sum(dim=0) + difference**2 * self.count * len(rows) / count
        self.squares = torch.where(self.count > 0, self.squares, torch.zeros_like(self.squares)) + squares
        self.mean = self.mean + difference * len(rows) / count
        self.count = count


class SegmentStatistics(nn.Module):
    """Mean and standard deviation of the frames of each segment and its duration, standardised, then a linear layer.

    Deviation: replaces the lower BLSTM of Section 3.2.2, see `NetworkConfig.segment_pooling`.
    """

    def __init__(self, config: NetworkConfig) -> None:
        """Create the layer; the input noise and dropout act in training only."""
        super().__init__()
        size = 2 * config.frame_size + 1
        self.standardise = Standardisation(size)
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.input_noise = config.input_noise
        self.linear = nn.Linear(size, 2 * config.hidden)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, means: Tensor, variances: Tensor, counts: Tensor, blend: Blend = lambda rows: rows) -> Tensor:
        """Compute segment vectors.

        Args:
            means: (segments, frame size) means of the frames of each segment.
            variances: (segments, frame size) variances of the same.
            counts: (segments,) frames of each segment.
            blend: Mixes the statistics of pairs of utterances, in training.

        Returns:
            (segments, 2 · hidden), after dropout.
        """
        durations = counts.unsqueeze(1).to(means.dtype).log()
        statistics = torch.cat((means, (variances + _VARIANCE_FLOOR).sqrt(), durations), dim=1)
        statistics = self.standardise(statistics)
        if self.training:
            statistics = blend(statistics + self.input_noise * torch.randn_like(statistics))
        vectors: Tensor = self.dropout(self.linear(self.input_dropout(statistics)).relu())
        return vectors


class AudioEncoder(nn.Module):
    """Two-level audio encoder.

    Source: Lee, Yoon, Jung 2020, Section 3.2.2.
    """

    def __init__(self, config: NetworkConfig) -> None:
        """Create the lower and the upper layer."""
        super().__init__()
        self.lower = (SegmentEncoder if config.segment_pooling == "blstm" else SegmentStatistics)(config)
        self.upper = SequenceEncoder(2 * config.hidden, config)

    def segments(self, batch: Batch, blend: Blend) -> Tensor:
        """(segments, 2 · hidden) vectors of the segments of a batch."""
        if isinstance(self.lower, SegmentStatistics):
            vectors: Tensor = self.lower(*batch.statistics, batch.frame_counts, blend)
        else:
            vectors = self.lower(batch.frames, batch.segment_of_row, batch.frame_counts, blend)
        return vectors

    def words(self, vectors: Tensor, segment_index: Tensor, counts: Tensor) -> Tensor:
        """Compute hidden states from segment vectors.

        Args:
            vectors: (segments, 2 · hidden).
            segment_index: (batch, words), 0 = padding, i + 1 = segment i.
            counts: (batch,) words of each row.

        Returns:
            (batch, words, 2 · hidden) H^(A).
        """
        padded = torch.cat((vectors.new_zeros(1, vectors.shape[1]), vectors))
        states: Tensor = self.upper(padded[segment_index], counts)
        return states
