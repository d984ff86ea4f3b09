"""Time of an epoch of CAN on a corpus of the size of IEMOCAP, compared with two conventional training loops.

    python -m benchmarks.training [--batches N]
    python -m benchmarks.training --device cuda

The corpus consists of random numbers with the count and lengths of IEMOCAP: 7,486 utterances of 0.6 to 34 s (mean 4.5,
deviation 3.1) and 12 words on average. The table of word vectors has the size that `python -m model.train` gives it:
the words of the corpus and the frequent words of the vectors, all trainable. All loops train the same network from the
same weights on the same batches, with the same number of threads; ten steps must give the same losses. Both references
use a DataLoader that collates single utterances: one pads the segments and computes the padding, one packs the padded
segments with `pack_padded_sequence`. Both step all word vectors and run before this loop, which steps those of the
corpus only and lets the process keep freed memory, as `model.train` does. With `--batches`, the time of an epoch is
extrapolated from that many batches.
With `--device`, an epoch on that device is compared with ten steps on the CPU, whose losses must agree.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final
from unittest.mock import patch

import numpy as np
import torch
import typer
from rich.progress import track
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

from alignment.memory import keep_memory
from benchmarks.iemocap_sized import UTTERANCES, draw_lengths, draw_shares
from benchmarks.packed_lstm import library_lstm
from model.config import NetworkConfig
from model.data.batches import Batch, RaggedData
from model.data.embeddings import SERVED_WORDS
from model.network.can import CrossAttentionNetwork
from model.network.encoders import Blend, SegmentEncoder
from model.network.losses import training_loss
from model.training.used_words import used_words

BATCH: Final = 64
CLASSES: Final = 7
CORPUS_WORDS: Final = 3_000
VOCABULARY: Final = CORPUS_WORDS + SERVED_WORDS
CONFIG: Final = NetworkConfig(dropout=0.0)


def iemocap_sized(seed: int = 0) -> RaggedData:
    """Random frames with the lengths of IEMOCAP, uneven segments and 10 % overlap."""
    generator = np.random.default_rng(seed)
    seconds, words = draw_lengths(generator)
    counts = []
    for length_s, count in zip(seconds, words, strict=True):
        shares = draw_shares(generator, count)
        counts.append(np.maximum(1, (110 * length_s * shares).astype(int)))
    frame_counts = torch.from_numpy(np.concatenate(counts))
    word_counts = torch.from_numpy(words)
    return RaggedData(
        frames=torch.randn(int(frame_counts.sum()), CONFIG.frame_size, generator=torch.Generator().manual_seed(seed)),
        frame_counts=frame_counts,
        segment_counts=word_counts,
        words=torch.from_numpy(generator.integers(2, CORPUS_WORDS, int(words.sum()))),
        word_counts=word_counts,
        labels=torch.from_numpy(generator.integers(0, CLASSES, UTTERANCES)),
    )


class Utterances(Dataset[tuple[list[Tensor], Tensor, Tensor]]):
    """Segments, words and label of single utterances."""

    def __init__(self, data: RaggedData) -> None:
        """Wrap the data; segments are cut on access."""
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> tuple[list[Tensor], Tensor, Tensor]:
        data = self._data
        first, count = int(data.first_segments[index]), int(data.segment_counts[index])
        starts, counts = data.frame_starts[first : first + count], data.frame_counts[first : first + count]
        segments = [data.frames[a : a + n] for a, n in zip(starts.tolist(), counts.tolist(), strict=True)]
        return segments, data.words[first : first + count], data.labels[index]


def collate(items: Sequence[tuple[list[Tensor], Tensor, Tensor]]) -> Batch:
    """Batch with padded segments, (segments, longest, frame size), in place of the packed frames."""
    segments = [segment for own, _, _ in items for segment in own]
    counts = torch.tensor([len(words) for _, words, _ in items])
    numbers = torch.arange(1, len(segments) + 1).split(counts.tolist())
    frames: Any = pad_sequence(segments, batch_first=True)
    return Batch(
        frames=frames,
        segment_of_row=torch.empty(0, dtype=torch.int64),
        frame_counts=torch.tensor([len(segment) for segment in segments]),
        segment_index=pad_sequence(list(numbers), batch_first=True),
        segment_counts=counts,
        words=pad_sequence([words for _, words, _ in items], batch_first=True),
        word_counts=counts,
        labels=torch.stack([label for _, _, label in items]),
    )


def pool_packed(lstm: nn.LSTM, padded: Tensor, counts: Tensor) -> Tensor:
    """Segment vectors by `pack_padded_sequence`."""
    states, _ = pad_packed_sequence(
        lstm(pack_padded_sequence(padded, counts, batch_first=True, enforce_sorted=False))[0], batch_first=True
    )
    return states.sum(dim=1) / counts.unsqueeze(1)


def pool_padded(lstm: nn.LSTM, padded: Tensor, counts: Tensor) -> Tensor:
    """Segment vectors with padding computed but excluded from the mean; the backward half reads reversed segments."""
    position = torch.arange(padded.shape[1])
    real = position < counts.unsqueeze(1)
    reversed_position = torch.where(real, counts.unsqueeze(1) - 1 - position, position)
    sums = []
    for weights, frames in zip(
        lstm.all_weights, (padded, padded.gather(1, reversed_position.unsqueeze(2).expand_as(padded))), strict=True
    ):
        zeros = frames.new_zeros(1, len(frames), lstm.hidden_size)
        # Biases, one layer, no dropout, training, one direction, batch first.
        states = torch.lstm(frames, (zeros, zeros), list(weights), True, 1, 0.0, True, False, True)[0]  # noqa: FBT003
        sums.append((states * real.unsqueeze(2)).sum(dim=1))
    return torch.cat(sums, dim=1) / counts.unsqueeze(1)


@contextmanager
def reference(network: CrossAttentionNetwork, pool: Callable[[nn.LSTM, Tensor, Tensor], Tensor]) -> Iterator[None]:
    """Replace the LSTMs of a network by those of the library, and its lower audio encoder by `pool`."""
    lower = network.audio_encoder.lower
    if not isinstance(lower, SegmentEncoder):
        raise TypeError("the benchmark compares lower BLSTMs")

    def encode(padded: Tensor, _rows: Tensor, counts: Tensor, _blend: Blend) -> Tensor:
        return pool(lower.lstm, padded, counts)

    with patch("model.network.encoders.run_bilstm", library_lstm), patch.object(lower, "forward", encode):
        yield


def train(
    network: CrossAttentionNetwork, batches: Iterator[Batch], steps: int, label: str
) -> tuple[list[float], float]:
    """Losses, and seconds per step including the creation of batches."""
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses, started = [], time.perf_counter()
    for _ in track(range(steps), label, transient=True):
        batch = next(batches)
        loss = training_loss(network(batch), batch.labels, 0.1)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses, (time.perf_counter() - started) / steps


def fresh_network() -> CrossAttentionNetwork:
    """The network of the paper, always with the same initial weights."""
    torch.manual_seed(0)
    return CrossAttentionNetwork(0.1 * torch.randn(VOCABULARY, CONFIG.embedding_dim), CLASSES, CONFIG)


def train_ours(
    data: RaggedData, order: Sequence[Tensor], steps: int, device: str, label: str
) -> tuple[list[float], float]:
    """Losses and seconds per step of this project's loop, on a device, as `model.train` runs it."""
    keep_memory()
    network = fresh_network().to(device)
    with used_words(network, [data.to(device)]) as [compact]:
        return train(network, (compact.batch(part.to(device)) for part in order), steps, label)


def compare_devices(device: str) -> None:
    """Print the time of an epoch on a device, of a step on the CPU, and the largest difference of ten losses."""
    data = iemocap_sized()
    order = torch.randperm(UTTERANCES, generator=torch.Generator().manual_seed(0)).split(BATCH)
    expected, cpu_s = train_ours(data, order, 10, "cpu", "cpu")
    train_ours(data, order, 10, device, "warm-up")
    losses, step_s = train_ours(data, order, len(order), device, device)
    difference = float(np.abs(np.subtract(losses[:10], expected)).max())
    print(
        f"{device}: {step_s * len(order):.1f} s per epoch of {len(order)} batches; CPU {cpu_s * len(order):.0f} s, "
        f"extrapolated from 10; losses of ten steps within {difference:.1e}"
    )


def main(
    batches: Annotated[int | None, typer.Option(min=10, help="Batches to run; without it the whole epoch.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of every loop.")] = 2,
    device: Annotated[str, typer.Option(help="cpu, or cuda for an epoch on a GPU.")] = "cpu",
) -> None:
    """Print a line per loop."""
    torch.set_num_threads(threads)
    if device != "cpu":
        compare_devices(device)
        return
    data = iemocap_sized()
    order = torch.randperm(UTTERANCES, generator=torch.Generator().manual_seed(0)).split(BATCH)
    steps = min(batches or len(order), len(order))
    results = {}
    for name, pool in (("DataLoader, packed", pool_packed), ("DataLoader, padded", pool_padded)):
        network = fresh_network()
        with reference(network, pool):
            loader = DataLoader(Utterances(data), batch_sampler=[part.tolist() for part in order], collate_fn=collate)
            results[name] = train(network, iter(loader), steps, name)
    ours, ours_s = results["can-ser"] = train_ours(data, order, steps, "cpu", "can-ser")
    sizes = f"{UTTERANCES} utterances, {len(data.frames)} frames, {VOCABULARY} words"
    print(f"{sizes}, {threads} threads, {steps} of {len(order)} batches")
    for name, (losses, seconds) in results.items():
        difference = max(abs(a - b) for a, b in zip(losses[:10], ours[:10], strict=True))
        print(
            f"{name}: {seconds * len(order):.0f} s per epoch, {seconds / ours_s:.2f} × can-ser, "
            f"losses of ten steps within {difference:.1e}"
        )


if __name__ == "__main__":
    typer.run(main)
