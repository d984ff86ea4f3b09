"""Words that a bundle is better without."""

from collections.abc import Collection

import torch
from torch import nn

from model.network.can import CrossAttentionNetwork
from model.vocabulary import Vocabulary


def prune_words(network: CrossAttentionNetwork, vocabulary: Vocabulary, dropped: Collection[str]) -> Vocabulary:
    """The vocabulary without some words, and their rows taken out of the network's table, in place.

    A vector that was neither given nor trained is random: it says less than the unknown word, with which word dropout
    has taught the network to live.
    """
    kept = tuple(word for word in vocabulary.words if word not in dropped)
    if len(kept) == len(vocabulary.words):
        return vocabulary
    rows = torch.tensor([0, 1, *(vocabulary.index(word) for word in kept)])
    table = network.text_encoder.embedding.weight.detach()[rows]
    network.text_encoder.embedding = nn.Embedding.from_pretrained(table, freeze=False, padding_idx=0)
    return Vocabulary(kept)
