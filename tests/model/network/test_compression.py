import numpy as np
import torch
from torch import nn

from model.network.compression import QuantisedEmbedding, prune_words, quantise_rows, round_embedding
from model.vocabulary import UNKNOWN, Vocabulary
from tests.builders import tiny_network

WORDS = [f"word{number}" for number in range(10)]


def test_quantisation_error_is_within_half_a_step() -> None:
    table = torch.randn(50, 20)
    integers, scales = quantise_rows(table)
    assert integers.dtype == torch.int8
    assert ((integers * scales - table).abs() <= scales / 2 + 1e-7).all()


def test_zero_rows_stay_zero() -> None:
    integers, scales = quantise_rows(torch.zeros(2, 3))
    assert torch.equal(integers * scales, torch.zeros(2, 3))


def test_rounded_table_is_quantised_exactly() -> None:
    embedding = nn.Embedding(30, 8, padding_idx=0)
    round_embedding(embedding)
    words = torch.arange(30).reshape(5, 6)
    torch.testing.assert_close(QuantisedEmbedding(embedding)(words), embedding(words), rtol=0, atol=1e-7)


def test_pruned_words_become_unknown_and_others_keep_their_vectors() -> None:
    network, vocabulary = tiny_network(), Vocabulary(WORDS)
    before = network.text_encoder.embedding.weight.detach().clone()
    pruned = prune_words(network, vocabulary, {"word0", "word7", "elsewhere"})
    after = network.text_encoder.embedding.weight.detach()
    assert pruned.words == tuple(word for word in WORDS if word not in {"word0", "word7"})
    assert pruned.index("word7") == UNKNOWN
    for word in (*pruned.words, "unlisted word"):
        np.testing.assert_array_equal(after[pruned.index(word)], before[vocabulary.index(word)])
    assert torch.equal(after[0], before[0])
    assert len(after) == len(before) - 2


def test_pruning_nothing_returns_same_vocabulary() -> None:
    network, vocabulary = tiny_network(), Vocabulary(WORDS)
    assert prune_words(network, vocabulary, ()) is vocabulary
