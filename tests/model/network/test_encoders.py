"""Options of the lower audio encoder, against averages of the same LSTM's states."""

import torch
from torch import nn

from model.config import NetworkConfig
from model.data.batches import Batch, RaggedData, pack_segments
from model.network.encoders import SegmentEncoder, SegmentStatistics, Standardisation

COUNTS = torch.tensor([2, 5])


def encode(config: NetworkConfig, *, training: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Segment vectors, and (segments, 2 · hidden) sums of the LSTM's states over each segment."""
    torch.manual_seed(0)
    encoder = SegmentEncoder(config).train(training)
    frames = torch.randn(7, config.frame_size)
    packed, segment_of_row = pack_segments(frames, torch.tensor([0, 2]), COUNTS)
    vectors = encoder(packed, segment_of_row, COUNTS)
    sums = torch.stack([encoder.lstm(part.unsqueeze(0))[0].sum(dim=1)[0] for part in frames.split([2, 5])])
    return vectors, sums


def tiny(dropout: float = 0.0, **choices: object) -> NetworkConfig:
    return NetworkConfig(embedding_dim=6, hidden=4, frame_size=3, dropout=dropout, **choices)  # type: ignore[arg-type]


def test_segment_is_averaged_over_its_own_frames() -> None:
    vectors, sums = encode(tiny())
    torch.testing.assert_close(vectors, sums / COUNTS.unsqueeze(1))


def test_pooled_frames_averages_over_fixed_number() -> None:
    """Segments zero-padded to eight frames: the paper's average divides both sums by eight."""
    vectors, sums = encode(tiny(pooled_frames=8))
    torch.testing.assert_close(vectors, sums / 8)


def test_dropout_is_applied_to_pooled_vector_or_frames() -> None:
    """At .5 a pooled value is zero or doubled; with dropout on frames it is neither in general."""
    pooled, sums = encode(tiny(dropout=0.5), training=True)
    means = sums / COUNTS.unsqueeze(1)
    either = torch.isclose(pooled, 2 * means) | (pooled == 0)
    assert either.all()
    frames, _ = encode(tiny(dropout=0.5, segment_dropout="frames"), training=True)
    assert not (torch.isclose(frames, 2 * means) | (frames == 0)).all()
    assert nn.functional.mse_loss(frames, means) > 0


def batch_of(frames: torch.Tensor, counts: torch.Tensor) -> Batch:
    """One utterance of these segments."""
    one = torch.tensor([len(counts)])
    words = torch.ones(len(counts), dtype=torch.int64)
    return RaggedData(frames, counts, one, words, one, torch.zeros(1, dtype=torch.int64)).batch(torch.tensor([0]))


def test_statistics_of_a_segment_are_its_mean_deviation_and_duration() -> None:
    torch.manual_seed(0)
    encoder = SegmentStatistics(tiny(segment_pooling="statistics"))
    frames = torch.randn(7, 3)
    measured = batch_of(frames, COUNTS).statistics
    encoder.train()(*measured, COUNTS)
    vectors = encoder.eval()(*measured, COUNTS)
    statistics = torch.stack(
        [
            torch.cat((part.mean(0), (part.var(0, correction=0) + 1e-4).sqrt(), torch.tensor([len(part)]).log()))
            for part in frames.split([2, 5])
        ]
    )
    standard = (statistics - statistics.mean(0)) / (statistics.std(0, correction=0) + 1e-3)
    torch.testing.assert_close(vectors, encoder.linear(standard).relu())


def test_standardisation_of_parts_equals_that_of_all() -> None:
    torch.manual_seed(0)
    rows = 3 + 2 * torch.randn(40, 3)
    layer = Standardisation(3).train()
    for part in rows.split([1, 19, 20]):
        layer(part)
    expected = (rows - rows.mean(0)) / (rows.std(0, correction=0) + 1e-3)
    torch.testing.assert_close(layer.eval()(rows), expected, atol=1e-5, rtol=1e-4)


def test_noise_of_statistics_acts_in_training_only() -> None:
    torch.manual_seed(0)
    encoder = SegmentStatistics(tiny(segment_pooling="statistics", input_noise=0.5))
    statistics = torch.randn(4, 3), torch.rand(4, 3), torch.tensor([1, 2, 3, 4])
    assert not torch.equal(encoder.train()(*statistics), encoder(*statistics))
    assert torch.equal(encoder.eval()(*statistics), encoder(*statistics))


def test_segment_of_one_frame_has_a_finite_gradient() -> None:
    encoder = SegmentStatistics(tiny(segment_pooling="statistics"))
    frames = torch.randn(1, 3, requires_grad=True)
    encoder(*batch_of(frames, torch.tensor([1])).statistics, torch.tensor([1])).sum().backward()
    assert frames.grad is not None
    assert bool(torch.isfinite(frames.grad).all())
