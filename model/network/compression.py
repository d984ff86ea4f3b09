"""Smaller word-vector tables for serving: int8 quantisation, and pruning of words without a vector.

A served vocabulary consists mostly of words that training never saw, so the table makes up most of a bundle. Each row
is stored as int8 values with one scale. The network's own table is rounded to the same values before it is tested, so
that the tested network is the served one.
"""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from model.network.ensemble import members_of
from model.vocabulary import PADDING, UNKNOWN, Vocabulary

_LARGEST = 127


def quantise_rows(table: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, dim) float → (rows, dim) int8 and (rows, 1) float32 scales; their product is within half a step."""
    scales = table.abs().amax(dim=1, keepdim=True) / _LARGEST
    scales = torch.where(scales > 0, scales, torch.ones_like(scales))
    return (table / scales).round().to(torch.int8), scales


def round_embedding(embedding: nn.Embedding) -> None:
    """Round a table in place to the values that `quantise_rows` stores; idempotent."""
    with torch.no_grad():
        integers, scales = quantise_rows(embedding.weight)
        embedding.weight.copy_(integers * scales)


def round_embeddings(network: nn.Module) -> None:
    """Round every word-vector table of a network in place."""
    for layer in network.modules():
        if isinstance(layer, nn.Embedding):
            round_embedding(layer)


class QuantisedEmbedding(nn.Module):
    """Embedding layer with a quantised table."""

    integers: Tensor
    scales: Tensor

    def __init__(self, embedding: nn.Embedding) -> None:
        """Quantise the table of `embedding`."""
        super().__init__()
        integers, scales = quantise_rows(embedding.weight.detach())
        self.register_buffer("integers", integers)
        self.register_buffer("scales", scales)

    def forward(self, words: Tensor) -> Tensor:
        """(batch, words) indices → (batch, words, embedding_dim)."""
        return self.integers[words].to(torch.float32) * self.scales[words]


def prune_words(network: nn.Module, vocabulary: Vocabulary, dropped: Collection[str]) -> Vocabulary:
    """Remove words from a vocabulary and, in place, their rows from the network's table.

    A vector that was neither given nor trained is random and therefore less informative than the unknown word, which
    word dropout has trained.
    """
    kept = tuple(word for word in vocabulary.words if word not in dropped)
    if len(kept) == len(vocabulary.words):
        return vocabulary
    rows = torch.tensor([PADDING, UNKNOWN, *(vocabulary.index(word) for word in kept)])
    members = members_of(network)
    table = members[0].text_encoder.embedding.weight.detach()[rows]
    embedding = nn.Embedding.from_pretrained(table, freeze=False, padding_idx=PADDING)
    for member in members:
        member.text_encoder.embedding = embedding
    return Vocabulary(kept)
