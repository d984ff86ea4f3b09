import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from model.data.batches import pack_segments
from model.network.ragged import last_states, pad_packed, ragged_softmax, ragged_sum

GROUP = torch.tensor([0, 1, 0, 1, 1, 2])


def test_softmax_by_hand() -> None:
    scores = torch.log(torch.tensor([1.0, 2.0, 3.0, 2.0, 4.0, 9.0]))
    torch.testing.assert_close(ragged_softmax(scores, GROUP, 3), torch.tensor([0.25, 0.25, 0.75, 0.25, 0.5, 1.0]))


def test_softmax_and_gradient_equal_torch_for_large_scores() -> None:
    scores = torch.tensor([1e4, 1e4 - 1, 0.5], dtype=torch.float64, requires_grad=True)
    ragged = ragged_softmax(scores, torch.zeros(3, dtype=torch.int64), 1)
    torch.testing.assert_close(ragged, scores.softmax(0))
    weights = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    [ours] = torch.autograd.grad((ragged * weights).sum(), scores)
    [theirs] = torch.autograd.grad((scores.softmax(0) * weights).sum(), scores)
    torch.testing.assert_close(ours, theirs)


def test_weighted_sums_by_hand() -> None:
    rows = torch.tensor([[1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0], [5.0, 1.0], [6.0, 2.0]])
    weights = torch.tensor([1.0, 0.5, 2.0, 0.5, 1.0, 0.0])
    torch.testing.assert_close(ragged_sum(weights, rows, GROUP, 3), torch.tensor([[7.0, 0.0], [8.0, 2.0], [0.0, 0.0]]))


def test_last_states_equal_final_states_of_lstm() -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
    counts = torch.tensor([2, 5, 1, 5])
    packed = pack_padded_sequence(torch.randn(4, 5, 3), counts, batch_first=True, enforce_sorted=False)
    outputs, (final, _) = lstm(packed)
    torch.testing.assert_close(last_states(outputs, counts), torch.cat((final[0], final[1]), dim=1))


def test_padding_and_gradient_equal_torch() -> None:
    counts = torch.tensor([2, 5, 1])
    rows = torch.randn(8, 3, requires_grad=True)
    packed, group = pack_segments(rows, counts.cumsum(0) - counts, counts)
    padded, real = pad_packed(packed, group, 3)
    expected, lengths = pad_packed_sequence(packed, batch_first=True)
    torch.testing.assert_close(padded, expected)
    assert real.sum(dim=1).tolist() == lengths.tolist() == counts.tolist()
    weights = torch.randn(3, 5, 3)
    [ours] = torch.autograd.grad((padded * weights).sum(), rows, retain_graph=True)
    [theirs] = torch.autograd.grad((expected * weights).sum(), rows)
    torch.testing.assert_close(ours, theirs)
