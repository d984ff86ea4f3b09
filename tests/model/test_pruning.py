import numpy as np
import torch

from model.network.compression import prune_words
from model.vocabulary import Vocabulary
from tests.builders import tiny_network

WORDS = [f"word{number}" for number in range(10)]


def test_dropped_words_become_the_unknown_word_and_the_others_keep_their_vectors() -> None:
    network, vocabulary = tiny_network(), Vocabulary(WORDS)
    before = network.text_encoder.embedding.weight.detach().clone()
    pruned = prune_words(network, vocabulary, {"word0", "word7", "elsewhere"})
    after = network.text_encoder.embedding.weight.detach()
    assert pruned.words == tuple(word for word in WORDS if word not in {"word0", "word7"})
    assert pruned.index("word7") == 1
    for word in (*pruned.words, "nobody says this"):
        np.testing.assert_array_equal(after[pruned.index(word)], before[vocabulary.index(word)])
    assert torch.equal(after[0], before[0])
    assert len(after) == len(before) - 2


def test_nothing_to_drop() -> None:
    network, vocabulary = tiny_network(), Vocabulary(WORDS)
    assert prune_words(network, vocabulary, ()) is vocabulary
