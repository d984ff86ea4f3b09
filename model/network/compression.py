"""Word vectors in one byte a value.

A served vocabulary is mostly words that training never saw, so its table is most of a bundle. Each row is kept as
integers and one scale; the network's own table is rounded to the same values before it is tested, so that what is
measured is what is served.
"""

import torch
from torch import Tensor, nn

_LARGEST = 127


def quantise_rows(table: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, dim) float → (rows, dim) int8 and (rows, 1) float32 scales; their product is within half a step."""
    scales = table.abs().amax(dim=1, keepdim=True) / _LARGEST
    scales = torch.where(scales > 0, scales, torch.ones_like(scales))
    return (table / scales).round().to(torch.int8), scales


def round_embedding(embedding: nn.Embedding) -> None:
    """Rounds a table in place to what `quantise_rows` keeps of it; doing it twice changes nothing more."""
    with torch.no_grad():
        integers, scales = quantise_rows(embedding.weight)
        embedding.weight.copy_(integers * scales)


def round_embeddings(network: nn.Module) -> None:
    """Rounds every table of word vectors in a network."""
    for layer in network.modules():
        if isinstance(layer, nn.Embedding):
            round_embedding(layer)


class QuantisedEmbedding(nn.Module):
    """Looks words up in a quantised table."""

    integers: Tensor
    scales: Tensor

    def __init__(self, embedding: nn.Embedding) -> None:
        """Quantises the table of `embedding`."""
        super().__init__()
        integers, scales = quantise_rows(embedding.weight.detach())
        self.register_buffer("integers", integers)
        self.register_buffer("scales", scales)

    def forward(self, words: Tensor) -> Tensor:
        """(batch, words) indices → (batch, words, embedding_dim)."""
        return self.integers[words].to(torch.float32) * self.scales[words]
