"""Global attention and cross attention: Eqs. (4) to (9).

Source: Lee, Yoon, Jung 2020, Section 3.2.3.
"""

import torch
from torch import Tensor, nn

from model.config import Heads


class GlobalAttention(nn.Module):
    """Attention over the words of one modality by learned queries."""

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
        nn.init.normal_(self.queries, std=size**-0.5)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Attention weights: softmax over words of qᵀ H_i.

        Args:
            states: (batch, words, 2 · hidden) H.
            mask: (batch, words) bool, True = real word.

        Returns:
            (batch, heads, words), 0 at padding; the weights of each head sum to 1.

        Source: Lee, Yoon, Jung 2020, Eqs. (4) and (5).
        """
        scores = torch.einsum("blkd,kd->bkl", self.split(states), self.queries)
        return scores.masked_fill(~mask.unsqueeze(1), float("-inf")).softmax(dim=-1)

    def split(self, states: Tensor) -> Tensor:
        """Part of the states that each head attends over, (batch, words, heads, head size)."""
        if self.head_size == states.shape[-1]:
            return states.unsqueeze(2).expand(-1, -1, self.head_count, -1)
        parts: Tensor = states.unflatten(-1, (self.head_count, self.head_size))
        return parts

    def gather(self, weights: Tensor, states: Tensor) -> Tensor:
        """Context vector: Σ_i α_i H_i, concatenated over heads.

        Args:
            weights: (batch, heads, words) α, of either modality.
            states: (batch, words, 2 · hidden) H, of either modality.

        Returns:
            (batch, heads · head size) c.

        Source: Lee, Yoon, Jung 2020, Eqs. (6) to (9).
        """
        return torch.einsum("bkl,blkd->bkd", weights, self.split(states)).flatten(1)


def stop_gradient(weights: Tensor, enabled: bool) -> Tensor:
    """Operator sg of Eqs. (7) and (9): same values, no gradient."""
    return weights.detach() if enabled else weights
