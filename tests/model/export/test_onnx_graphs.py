from pathlib import Path

import pytest
import torch

from model.config import NetworkConfig
from model.errors import ExportParityError
from model.export.onnx_graphs import check_parity, export_network
from tests.builders import TINY, tiny_network, tiny_networks


@pytest.mark.parametrize(
    "config",
    [
        TINY,
        NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.5, heads="split"),
        NetworkConfig(embedding_dim=6, hidden=4, head_count=4, dropout=0.5, heads="projected"),
        NetworkConfig(embedding_dim=6, hidden=4, head_count=1, dropout=0.0, cross_attention=False),
        NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.5, segment_dropout="frames", pooled_frames=80),
        NetworkConfig(embedding_dim=100, hidden=128, head_count=4),
        NetworkConfig(embedding_dim=6, hidden=4, head_count=2, frame_size=288, segment_pooling="statistics"),
        NetworkConfig(
            embedding_dim=6, hidden=4, head_count=2, frame_size=328, segment_pooling="statistics", input_noise=0.3
        ),
        NetworkConfig(embedding_dim=6, hidden=4, head_count=2, frame_size=288),
        NetworkConfig(embedding_dim=6, hidden=4, head_count=2, members=3),
        NetworkConfig(embedding_dim=6, hidden=4, head_count=2, frame_size=288, segment_pooling="statistics", members=2),
    ],
)
def test_exported_graphs_equal_pytorch(tmp_path: Path, config: NetworkConfig) -> None:
    """The parity check is part of the export; its ragged batches include one word and one frame."""
    export_network(tiny_networks(config), 0.1, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"segments.onnx", "can.onnx"}


def test_parity_check_detects_different_weights(tmp_path: Path) -> None:
    network = tiny_network()
    export_network(network, 0.1, tmp_path)
    with torch.no_grad():
        network.joint_head.bias.add_(1e-4)
    with pytest.raises(ExportParityError) as caught:
        check_parity(network, 0.1, tmp_path, "CPUExecutionProvider")
    assert caught.value.output == "joint"


def test_parity_check_detects_different_alpha(tmp_path: Path) -> None:
    network = tiny_network()
    export_network(network, 0.1, tmp_path)
    with pytest.raises(ExportParityError, match="contributions"):
        check_parity(network, 0.5, tmp_path, "CPUExecutionProvider")


def test_parity_check_detects_nan(tmp_path: Path) -> None:
    network = tiny_network()
    with torch.no_grad():
        network.text_head.weight[0, 0] = float("nan")
    with pytest.raises(ExportParityError):
        export_network(network, 0.1, tmp_path)
