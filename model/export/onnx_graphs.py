"""Export of a PyTorch network to the two ONNX graphs of a bundle, with a parity check.

Words differ in length by a factor of ten and ONNX Runtime's LSTM computes padded steps, so the lower audio BLSTM is a
separate graph that is run once per length bucket.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.jit._trace import TracerWarning
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from model.bundle import CAN, SEGMENTS
from model.data.batches import Batch, RaggedData
from model.errors import ExportParityError
from model.network.can import CrossAttentionNetwork
from model.network.compression import QuantisedEmbedding, round_embedding
from model.network.encoders import SegmentEncoder, SegmentStatistics
from model.network.ensemble import average_outputs, members_of

OPSET: Final = 17
PARITY_TOLERANCE: Final = 1e-5
OUTPUTS: Final = (
    "joint",
    "text",
    "audio",
    "text_attention",
    "audio_attention",
    "text_contributions",
    "audio_contributions",
    "bias",
)
_PARITY_BATCHES: Final = ((1,), (3, 1, 14), (7, 7), (30, 2, 1, 5, 9))
_CHECKED_PROVIDERS: Final = ("CPUExecutionProvider", "CUDAExecutionProvider")


class SegmentsGraph(nn.Module):
    """Lower audio BLSTM and pooling over padded segments."""

    def __init__(self, lower: SegmentEncoder) -> None:
        """Wrap the trained layers."""
        super().__init__()
        self.lower = lower

    def forward(self, frames: Tensor, frame_counts: Tensor) -> Tensor:
        """(segments, frames, frame size), (segments,) → (segments, 2 · hidden)."""
        packed = pack_padded_sequence(frames, frame_counts, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lower.lstm(packed)[0], batch_first=True)
        # Packed outputs are zero at padding, so that the sum is over real frames only.
        return self.lower.pool(states.sum(dim=1), frame_counts)


class StatisticsGraph(nn.Module):
    """Statistics of padded segments and the layer after them."""

    def __init__(self, lower: SegmentStatistics) -> None:
        """Wrap the trained layer."""
        super().__init__()
        self.lower = lower

    def forward(self, frames: Tensor, frame_counts: Tensor) -> Tensor:
        """(segments, frames, frame size), (segments,) → (segments, 2 · hidden)."""
        real = (torch.arange(frames.shape[1]) < frame_counts.unsqueeze(1)).unsqueeze(2)
        counts = frame_counts.unsqueeze(1)
        means = frames.sum(dim=1) / counts
        deviations = torch.where(real, frames - means.unsqueeze(1), torch.zeros(1))
        vectors: Tensor = self.lower(means, (deviations * deviations).sum(dim=1) / counts, frame_counts)
        return vectors


class JoinedSegments(nn.Module):
    """Segment vectors of all members side by side."""

    def __init__(self, network: nn.Module) -> None:
        """Wrap the lower audio networks of the members."""
        super().__init__()
        lowers = [member.audio_encoder.lower for member in members_of(network)]
        self.graphs = nn.ModuleList(
            SegmentsGraph(lower) if isinstance(lower, SegmentEncoder) else StatisticsGraph(lower) for lower in lowers
        )

    def forward(self, frames: Tensor, frame_counts: Tensor) -> Tensor:
        """(segments, frames, frame size), (segments,) → (segments, members · 2 · hidden)."""
        return torch.cat([graph(frames, frame_counts) for graph in self.graphs], dim=1)


class CanGraph(nn.Module):
    """The network above the segment vectors, and the contributions; the mean of several members."""

    def __init__(self, network: nn.Module, alpha: float) -> None:
        """Wrap the trained network with quantised word vectors and a fixed alpha of Eq. (15)."""
        super().__init__()
        self.members = nn.ModuleList(members_of(network))
        self.embedding = QuantisedEmbedding(members_of(network)[0].text_encoder.embedding)
        self.alpha = alpha

    def forward(self, vectors: Tensor, segment_index: Tensor, words: Tensor, word_counts: Tensor) -> tuple[Tensor, ...]:
        """Outputs in the order of `OUTPUTS`; inputs as in `Batch`."""
        mask = torch.arange(words.shape[1]) < word_counts.unsqueeze(1)
        embedded = self.embedding(words)
        outputs = []
        for module, own in zip(self.members, vectors.chunk(len(self.members), dim=1), strict=True):
            member = cast("CrossAttentionNetwork", module)
            text_states = member.text_encoder.encoder(embedded, word_counts)
            audio_states = member.audio_encoder.words(own, segment_index, word_counts)
            outputs.append(_outputs_of(member, text_states, audio_states, mask, self.alpha))
        return average_outputs(outputs)


def _outputs_of(
    member: CrossAttentionNetwork, text_states: Tensor, audio_states: Tensor, mask: Tensor, alpha: float
) -> tuple[Tensor, ...]:
    """Outputs of one network in the order of `OUTPUTS`."""
    prediction = member.attend(text_states, audio_states, mask)
    contributions = member.explain(text_states, audio_states, prediction, alpha)
    return (
        *(prediction.joint, prediction.text, prediction.audio),
        *(prediction.text_attention, prediction.audio_attention),
        *(contributions.text, contributions.audio, contributions.bias),
    )


def export_network(network: nn.Module, alpha: float, folder: Path) -> None:
    """Write segments.onnx and can.onnx and check them on ragged batches.

    Args:
        network: Trained network; it is set to evaluation mode and its word vectors are rounded to those of the graph.
        alpha: Weight α of Eq. (15).
        folder: Existing folder.

    Raises:
        ExportParityError: An available provider differs from PyTorch by more than 1e-5.
    """
    network.eval()
    round_embedding(members_of(network)[0].text_encoder.embedding)
    with warnings.catch_warnings():
        # The newer exporter does not support packed sequences; errors of tracing are found by the parity check.
        warnings.filterwarnings("ignore", message="(?s).*legacy TorchScript-based ONNX export")
        warnings.filterwarnings("ignore", message="The feature will be removed", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=TracerWarning)
        warnings.filterwarnings("ignore", message="Exporting a model to ONNX with a batch_size other than 1")
        _export_segments(network, folder / SEGMENTS)
        _export_can(network, alpha, folder / CAN)
    for provider in _CHECKED_PROVIDERS:
        if provider in onnxruntime.get_available_providers():
            check_parity(network, alpha, folder, provider)


def _export_segments(network: nn.Module, path: Path) -> None:
    segments = {0: "segments"}
    torch.onnx.export(
        JoinedSegments(network).eval(),
        (torch.zeros(3, 5, members_of(network)[0].config.frame_size), torch.tensor([5, 1, 3])),
        str(path),
        input_names=["frames", "frame_counts"],
        output_names=["vectors"],
        dynamic_axes={"frames": {0: "segments", 1: "frames"}, "frame_counts": segments, "vectors": segments},
        opset_version=OPSET,
        dynamo=False,
    )


def _export_can(network: nn.Module, alpha: float, path: Path) -> None:
    members = members_of(network)
    example = (
        torch.zeros(3, 2 * members[0].config.hidden * len(members)),
        torch.tensor([[1, 2], [3, 0]]),
        torch.tensor([[1, 1], [1, 0]]),
        torch.tensor([2, 1]),
    )
    axes = {name: {0: "batch"} for name in ("word_counts", "joint", "text", "audio")}
    for name in ("segment_index", "words", "text_contributions", "audio_contributions"):
        axes[name] = {0: "batch", 1: "words"}
    for name in ("text_attention", "audio_attention"):
        axes[name] = {0: "batch", 2: "words"}
    torch.onnx.export(
        CanGraph(network, alpha).eval(),
        example,
        str(path),
        input_names=["vectors", "segment_index", "words", "word_counts"],
        output_names=list(OUTPUTS),
        dynamic_axes={"vectors": {0: "segments"}, **axes},
        opset_version=OPSET,
        dynamo=False,
    )


def check_parity(network: nn.Module, alpha: float, folder: Path, provider: str) -> None:
    """Compare the graphs with the network on ragged batches of random input.

    Args:
        network: Network in evaluation mode.
        alpha: Weight α of Eq. (15).
        folder: Folder of both graphs.
        provider: ONNX Runtime execution provider.

    Raises:
        ExportParityError: An output differs by more than 1e-5.
    """
    sessions = [onnxruntime.InferenceSession(str(folder / name), providers=[provider]) for name in (SEGMENTS, CAN)]
    for seed, word_counts in enumerate(_PARITY_BATCHES):
        data = random_data(word_counts, network, seed)
        batch = data.batch(torch.arange(len(word_counts)))
        outputs = _run_graphs(sessions, data, batch)
        for name, expected in _expected_outputs(network, batch, alpha).items():
            difference = float(np.abs(outputs[name] - expected).max())
            if not difference <= PARITY_TOLERANCE:
                raise ExportParityError(name, difference, PARITY_TOLERANCE, provider)


def random_data(word_counts: Sequence[int], network: nn.Module, seed: int) -> RaggedData:
    """Random utterances with the given numbers of words of 1 to 59 frames each."""
    member = members_of(network)[0]
    generator = torch.Generator().manual_seed(seed)
    counts = torch.tensor(word_counts)
    total = int(counts.sum())
    frame_counts = torch.randint(1, 60, (total,), generator=generator)
    frame_counts[0] = 1
    vocabulary = member.text_encoder.embedding.num_embeddings
    return RaggedData(
        frames=torch.randn(int(frame_counts.sum()), member.config.frame_size, generator=generator),
        frame_counts=frame_counts,
        segment_counts=counts,
        words=torch.randint(1, vocabulary, (total,), generator=generator),
        word_counts=counts,
        labels=torch.zeros(len(word_counts), dtype=torch.int64),
    )


def _expected_outputs(network: nn.Module, batch: Batch, alpha: float) -> dict[str, NDArray[np.float32]]:
    """Outputs of PyTorch, computed as in training."""
    with torch.no_grad():
        outputs = [_outputs_of(each, *each.encode(batch), batch.mask, alpha) for each in members_of(network)]
    return {name: value.numpy() for name, value in zip(OUTPUTS, average_outputs(outputs), strict=True)}


def _run_graphs(
    sessions: Sequence[onnxruntime.InferenceSession], data: RaggedData, batch: Batch
) -> dict[str, NDArray[np.float32]]:
    """Outputs of ONNX Runtime, with all segments in one padded call."""
    segments, can = sessions
    padded = pad_sequence(list(data.frames.split(data.frame_counts.tolist())), batch_first=True)
    [vectors] = segments.run(None, {"frames": padded.numpy(), "frame_counts": data.frame_counts.numpy()})
    inputs = {"segment_index": batch.segment_index, "words": batch.words, "word_counts": batch.word_counts}
    outputs = can.run(None, {"vectors": vectors, **{name: tensor.numpy() for name, tensor in inputs.items()}})
    return dict(zip(OUTPUTS, outputs, strict=True))
