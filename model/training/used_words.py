"""Word-vector tables of only the words that occur, for training.

A table has a row for each word that the service may meet, 40,000 and more, of which a corpus uses a tenth. Adam does
not move a row that has never had a gradient, so that the other rows can be left out of every step without an effect on
the result.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from model.data.batches import RaggedData
from model.vocabulary import PADDING, UNKNOWN


@contextmanager
def used_words(network: nn.Module, by_speed: Sequence[RaggedData]) -> Iterator[list[RaggedData]]:
    """Reduce every word-vector table of a network to the words of a corpus, and restore the full tables at the end.

    Args:
        network: Network whose tables are replaced in place; on exit, also by an exception, they have all rows again,
            with the trained values of the words that occur.
        by_speed: Data on the network's device, with indices of the full tables.

    Yields:
        The same data with indices of the reduced tables; those of padding and of the unknown word do not change.
    """
    rows = _rows(by_speed)
    tables = {layer: layer.weight for layer in network.modules() if isinstance(layer, nn.Embedding)}
    for layer, table in tables.items():
        _replace_table(layer, table.detach()[rows])
    try:
        yield [replace(data, words=torch.searchsorted(rows, data.words)) for data in by_speed]
    finally:
        for layer, table in tables.items():
            restored = table.detach().clone()
            restored[rows] = layer.weight.detach()
            _replace_table(layer, restored)


def _rows(by_speed: Sequence[RaggedData]) -> Tensor:
    """(used words,) int64 rows of the full table in ascending order, that of padding first, the unknown word second."""
    words = torch.cat([data.words for data in by_speed])
    rows: Tensor = torch.cat((words.new_tensor([PADDING, UNKNOWN]), words)).unique()
    return rows


def _replace_table(layer: nn.Embedding, table: Tensor) -> None:
    layer.weight = nn.Parameter(table)
    layer.num_embeddings = len(table)
