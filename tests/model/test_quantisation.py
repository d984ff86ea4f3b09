import torch
from torch import nn

from model.network.compression import QuantisedEmbedding, quantise_rows, round_embedding


def test_within_half_a_step() -> None:
    table = torch.randn(50, 20)
    integers, scales = quantise_rows(table)
    assert integers.dtype == torch.int8
    assert ((integers * scales - table).abs() <= scales / 2 + 1e-7).all()


def test_zero_rows_stay_zero() -> None:
    integers, scales = quantise_rows(torch.zeros(2, 3))
    assert torch.equal(integers * scales, torch.zeros(2, 3))


def test_a_rounded_table_is_looked_up_exactly() -> None:
    embedding = nn.Embedding(30, 8, padding_idx=0)
    round_embedding(embedding)
    words = torch.arange(30).reshape(5, 6)
    torch.testing.assert_close(QuantisedEmbedding(embedding)(words), embedding(words), rtol=0, atol=1e-7)
