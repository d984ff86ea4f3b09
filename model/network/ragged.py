"""Softmax and sums over groups of unequal size, without padding."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


def ragged_softmax(scores: Tensor, group: Tensor, groups: int) -> Tensor:
    """Softmax within each group.

    Args:
        scores: (rows,).
        group: (rows,) int64 in [0, groups).
        groups: Number of groups; none is empty.

    Returns:
        (rows,) positive weights; each group sums to 1.
    """
    peak = scores.new_full((groups,), float("-inf")).scatter_reduce(0, group, scores.detach(), "amax")
    grown = (scores - peak[group]).exp()
    return grown / scores.new_zeros(groups).index_add(0, group, grown)[group]


def ragged_sum(weights: Tensor, rows: Tensor, group: Tensor, groups: int) -> Tensor:
    """Weighted sum of the rows of each group: (rows,), (rows, size), (rows,) → (groups, size)."""
    return rows.new_zeros(groups, rows.shape[1]).index_add(0, group, weights.unsqueeze(1) * rows)


def last_states(packed: PackedSequence, counts: Tensor) -> Tensor:
    """Final states of a bidirectional LSTM: the forward half at the last step, the backward half at the first.

    Args:
        packed: (rows, 2 · hidden) outputs, with the order of the sequences.
        counts: (sequences,) steps of each sequence.

    Returns:
        (sequences, 2 · hidden).
    """
    sizes = packed.batch_sizes.to(counts.device)
    first_rows = sizes.cumsum(0) - sizes
    rank = packed.unsorted_indices
    if rank is None:
        raise ValueError("the packed sequence has no unsorted_indices; pack it with enforce_sorted=False")
    forward, backward = packed.data.chunk(2, dim=1)
    return torch.cat((forward[first_rows[counts - 1] + rank], backward[rank]), dim=1)


def pad_packed(packed: PackedSequence, group: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Padded rows of each sequence.

    `torch.nn.utils.rnn.pad_packed_sequence` slices all rows at each time step, and the gradient of a slice is as large
    as all of them; here the forward and the backward pass are one indexing operation each.

    Args:
        packed: Packed (rows, size).
        group: (rows,) int64 sequence of each row, in [0, groups).
        groups: Number of sequences.

    Returns:
        (groups, longest, size), zero at padding; and (groups, longest) bool, True = real row.
    """
    sizes = packed.batch_sizes.to(group.device)
    step = torch.repeat_interleave(torch.arange(len(sizes), device=group.device), sizes)
    padded = packed.data.new_zeros(groups, len(sizes), packed.data.shape[1]).index_put((group, step), packed.data)
    real = torch.zeros(groups, len(sizes), dtype=torch.bool, device=group.device)
    real[group, step] = True
    return padded, real
