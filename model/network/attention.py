"""Global attention and cross attention: Eqs. (4) to (9).

Source: Lee, Yoon, Jung 2020, Section 3.2.3.
"""

import torch
from torch import Tensor, nn

from model.config import Heads


class GlobalAttention(nn.Module):
    """Attention over the words of one modality by learned queries.

    Source: Lee, Yoon, Jung 2020, Section 3.2.3, and for projected heads Vaswani et al. 2017, "Attention is all you
        need", Section 3.2. Deviation: no output projection, because the classifiers that follow are linear themselves.
    """

    def __init__(self, size: int, head_count: int, heads: Heads) -> None:
        """Create one query per head.

        Args:
            size: Length of a hidden state, 2 · hidden.
            head_count: Number of queries.
            heads: See `NetworkConfig.heads`.
        """
        super().__init__()
        self.head_count = head_count
        self.head_size = size if heads == "full" else size // head_count
        self.queries = nn.Parameter(torch.empty(head_count, self.head_size))
        nn.init.normal_(self.queries, std=size**-0.5 if heads != "projected" else 1.0)
        self.projections = _Projections(size) if heads == "projected" else None
        self._scale = self.head_size**-0.5 if heads == "projected" else 1.0

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Attention weights: softmax over words of qᵀ H_i, or of qᵀ K_i / √d for projected heads.

        Args:
            states: (batch, words, 2 · hidden) H.
            mask: (batch, words) bool, True = real word.

        Returns:
            (batch, heads, words), 0 at padding; the weights of each head sum to 1.

        Source: Lee, Yoon, Jung 2020, Eqs. (4) and (5).
        """
        scores = torch.einsum("blkd,kd->bkl", self.keys(states), self.queries) * self._scale
        return scores.masked_fill(~mask.unsqueeze(1), float("-inf")).softmax(dim=-1)

    def keys(self, states: Tensor) -> Tensor:
        """What the queries of each head are compared with, (batch, words, heads, head size)."""
        return self._split(states if self.projections is None else self.projections.keys(states))

    def values(self, states: Tensor) -> Tensor:
        """What each head aggregates of the states of this modality, (batch, words, heads, head size)."""
        return self._split(states if self.projections is None else self.projections.values(states))

    def _split(self, states: Tensor) -> Tensor:
        if self.head_size == states.shape[-1]:
            return states.unsqueeze(2).expand(-1, -1, self.head_count, -1)
        parts: Tensor = states.unflatten(-1, (self.head_count, self.head_size))
        return parts

    def gather(self, weights: Tensor, states: Tensor) -> Tensor:
        """Context vector: Σ_i α_i H_i, concatenated over heads.

        Args:
            weights: (batch, heads, words) α, of either modality.
            states: (batch, words, 2 · hidden) H of this modality.

        Returns:
            (batch, heads · head size) c.

        Source: Lee, Yoon, Jung 2020, Eqs. (6) to (9).
        """
        return torch.einsum("bkl,blkd->bkd", weights, self.values(states)).flatten(1)


class _Projections(nn.Module):
    """Projections of states to the keys and values of all heads."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.keys = nn.Linear(size, size, bias=False)
        self.values = nn.Linear(size, size, bias=False)


def stop_gradient(weights: Tensor, enabled: bool) -> Tensor:
    """Operator sg of Eqs. (7) and (9): same values, no gradient."""
    return weights.detach() if enabled else weights
