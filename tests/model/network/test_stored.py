import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from model.bundle import CAN, Bundle, locate_bundle, read_bundle
from model.bundle_files import write_sums
from model.config import NetworkConfig
from model.errors import BundleDamagedError, NetworkMissingError
from model.export.onnx_graphs import check_parity, random_data
from model.network import load
from model.network.compression import round_embeddings
from model.network.from_bundle import read_network
from model.network.stored import NETWORK, WEIGHTS, store_network
from model.training.loop import predict
from model.training.systems import SYSTEMS
from model.vocabulary import Vocabulary
from tests.builders import LABELS, TINY, tiny_front_end, tiny_networks, write_tiny_bundle

WORDS = Vocabulary(["the", "children", "are"])
PROVIDER = "CPUExecutionProvider"


def store(folder: Path, network: nn.Module, config: NetworkConfig) -> None:
    bundle = read_bundle(locate_bundle("starter-mfcc")).config
    store_network(
        folder,
        network,
        WORDS,
        labels=LABELS,
        features=bundle.features,
        normalisation=bundle.normalisation,
        alpha=0.2,
        config=config,
    )


@pytest.mark.parametrize("system", ["can", "can-no-cross-attention", "text", "audio", "yoon", "yoon-mha3", "xu"])
def test_stored_network_of_every_system_computes_the_same(tmp_path: Path, system: str) -> None:
    torch.manual_seed(1)
    table = torch.randn(len(WORDS), TINY.embedding_dim)
    config = replace(TINY, cross_attention=system != "can-no-cross-attention")
    network = SYSTEMS[system].build(table, len(LABELS), config).eval()
    store(tmp_path, network, config)
    loaded = load(tmp_path)
    data = random_data((3, 1, 5), tiny_networks(TINY, words=len(WORDS) - 2), seed=0)
    if SYSTEMS[system].settings == ("features.segmentation=whole",):
        data = replace(data, segment_counts=torch.tensor([1, 1, 1]), frame_counts=data.frame_counts[:3])
    expected, got = (predict(each, data, np.arange(3)) for each in (network, loaded.network))
    for head, logits in expected.heads.items():
        np.testing.assert_array_equal(got.heads[head], logits)
    assert loaded.description.labels == LABELS
    assert loaded.vocabulary.words == WORDS.words


def test_word_vectors_are_stored_exactly_rounded_or_not(tmp_path: Path) -> None:
    network = tiny_networks(replace(TINY, members=2), words=len(WORDS) - 2)
    for rounded in (False, True):
        if rounded:
            round_embeddings(network)
        store(tmp_path / str(rounded), network, replace(TINY, members=2))
        loaded = load(tmp_path / str(rounded)).network.state_dict()
        for name, value in network.state_dict().items():
            assert torch.equal(loaded[name], value), name


@pytest.mark.parametrize("name", ["starter", "starter-mfcc"])
def test_shipped_bundle_is_loaded_as_torch_network(name: str) -> None:
    loaded = load(name)
    bundle = read_bundle(locate_bundle(name))
    check_parity(loaded.network, bundle.config.alpha, bundle.folder, PROVIDER)
    assert loaded.description.labels == bundle.config.labels
    assert loaded.vocabulary.words == bundle.vocabulary.words


@pytest.mark.parametrize("front_end", ["mfcc", "both"])
@pytest.mark.parametrize("members", [1, 3])
def test_exported_values_are_those_of_the_network(tmp_path: Path, front_end: str, members: int) -> None:
    """Values of an exported network, read from its graphs, except for word vectors, which the export rounds."""
    config = replace(tiny_front_end("both")[0] if front_end == "both" else TINY, members=members)
    if front_end == "both":
        folder = write_tiny_bundle(tmp_path / "tiny", front_end="both")
        config = read_bundle(folder).config.network
    else:
        folder = write_tiny_bundle(tmp_path / "tiny", config)
    expected = tiny_networks(config).state_dict()
    for name, value in read_network(read_bundle(folder)).state_dict().items():
        tolerance = 0.05 if name.endswith("embedding.weight") else 0.0
        torch.testing.assert_close(value, expected[name], atol=tolerance, rtol=0.0)


def test_graph_with_other_values_is_refused(tmp_path: Path, tiny_bundle: Bundle) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(tiny_bundle.folder, folder)
    model = onnx.load(str(folder / CAN))
    for each in list(model.graph.initializer):
        if each.name == "members.0.text_query.queries":
            each.name = "elsewhere"
    onnx.save(model, str(folder / CAN))
    write_sums(folder)
    with pytest.raises(BundleDamagedError, match=r"no values of text_query\.queries"):
        read_network(read_bundle(folder))


def test_folder_without_network_is_refused(tmp_path: Path) -> None:
    for folder, message in ((tmp_path, "neither config.json nor network.json"), (tmp_path / "x", "no such folder")):
        with pytest.raises(NetworkMissingError, match=message):
            load(folder)


def test_run_is_loaded_by_its_served_weights(tmp_path: Path) -> None:
    for name in ("fold-00", "fold-01"):
        store(tmp_path / name, tiny_networks(TINY, words=len(WORDS) - 2), TINY)
    with pytest.raises(NetworkMissingError, match=r"several folds \(fold-00, fold-01\)"):
        load(tmp_path)
    store(tmp_path / "served", tiny_networks(TINY, words=len(WORDS) - 2, seed=5), TINY)
    expected = tiny_networks(TINY, words=len(WORDS) - 2, seed=5)
    assert torch.equal(load(tmp_path).network.state_dict()["joint_head.bias"], expected.state_dict()["joint_head.bias"])


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    store(tmp_path, tiny_networks(TINY, words=len(WORDS) - 2), TINY)
    description = (tmp_path / NETWORK).read_text()
    (tmp_path / NETWORK).write_text(description.replace('"hidden": 4', '"hidden": 8'))
    with pytest.raises(NetworkMissingError, match="do not describe a network"):
        load(tmp_path)
    (tmp_path / NETWORK).write_text(description)
    (tmp_path / WEIGHTS).write_bytes(b"\0" * 40)
    with pytest.raises(NetworkMissingError, match="do not describe a network"):
        load(tmp_path)
