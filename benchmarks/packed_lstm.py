"""Forward and backward pass of the lower audio BLSTM on a training batch: packed LSTM and `torch.nn.LSTM`.

python -m benchmarks.packed_lstm
"""

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.benchmark import Timer

from model.data.batches import pack_segments
from model.network.packed_lstm import run_bilstm


def training_batch() -> PackedSequence:
    """Batch of 64 utterances of 14 words of 5 to 80 frames with 40 MFCCs."""
    counts = torch.from_numpy(np.random.default_rng(0).integers(5, 81, 64 * 14))
    frames = torch.randn(int(counts.sum()), 40)
    return pack_segments(frames, counts.cumsum(0) - counts, counts)[0]


def library_lstm(lstm: nn.LSTM, packed: PackedSequence) -> PackedSequence:
    """The library call that `run_bilstm` replaces."""
    output: PackedSequence = lstm(packed)[0]
    return output


def main() -> None:
    """Print seconds of both, on one thread, and their ratio."""
    lstm, packed = nn.LSTM(40, 128, bidirectional=True, batch_first=True), training_batch()
    seconds = {}
    for name, function in (("torch.nn.LSTM", library_lstm), ("model.network.packed_lstm", run_bilstm)):
        timer = Timer("f(lstm, packed).data.sum().backward()", globals={"f": function, "lstm": lstm, "packed": packed})
        seconds[name] = timer.blocked_autorange(min_run_time=3.0).median
        print(f"{name}: {seconds[name]:.3f} s")
    print(f"ratio {seconds['torch.nn.LSTM'] / seconds['model.network.packed_lstm']:.1f}")


if __name__ == "__main__":
    main()
