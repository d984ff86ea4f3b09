import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from model.data.batches import pack_segments
from model.network.packed_lstm import run_bilstm


def example(counts: list[int], seed: int = 0) -> tuple[nn.LSTM, PackedSequence]:
    torch.manual_seed(seed)
    lengths = torch.tensor(counts)
    frames = torch.randn(sum(counts), 5, dtype=torch.float64)
    packed, _ = pack_segments(frames, lengths.cumsum(0) - lengths, lengths)
    lstm = nn.LSTM(5, 3, batch_first=True, bidirectional=True).double()
    return lstm, packed._replace(data=packed.data.clone().requires_grad_())


def test_values_and_gradients_equal_torch() -> None:
    for counts in ([4, 1, 7, 7, 2], [1], [3, 3], [1, 1, 9]):
        lstm, packed = example(counts)
        upstream = torch.randn(sum(counts), 6, dtype=torch.float64)
        inputs = [packed.data, *lstm.parameters()]
        ours = run_bilstm(lstm, packed).data
        theirs = lstm(packed)[0].data
        torch.testing.assert_close(ours, theirs)
        ours_gradients = torch.autograd.grad((ours * upstream).sum(), inputs)
        their_gradients = torch.autograd.grad((theirs * upstream).sum(), inputs)
        for mine, reference in zip(ours_gradients, their_gradients, strict=True):
            torch.testing.assert_close(mine, reference)


def test_gradients_equal_finite_differences() -> None:
    lstm, packed = example([3, 1, 2])

    def run(data: torch.Tensor) -> torch.Tensor:
        return run_bilstm(lstm, packed._replace(data=data)).data

    assert torch.autograd.gradcheck(run, (packed.data,))
