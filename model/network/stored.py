"""Trained networks on disk: weights as safetensors, with everything that is needed to run them again.

weights.safetensors   parameters and buffers; rounded word vectors as integers and scales
network.json          kind and shape of the network, labels, features, normalisation, α
vocabulary.txt        one word per line
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from alignment.features.extraction import FeatureSpec
from model.bundle import CONFIG, VOCABULARY, Normalisation, locate_bundle, read_bundle
from model.config import NetworkConfig
from model.errors import NetworkMissingError
from model.network.baselines import AudioModel, LearnedAlignment, MultiHopAttention, TextModel
from model.network.compression import quantise_rows
from model.network.ensemble import build_can
from model.network.from_bundle import read_network
from model.vocabulary import Vocabulary

WEIGHTS: Final = "weights.safetensors"
NETWORK: Final = "network.json"
_TABLE: Final = "text_encoder.embedding.weight"
_VECTORS, _INTEGERS, _SCALES = "vectors", "vectors.integers", "vectors.scales"
_SERVED: Final = "served"


@dataclass(frozen=True, slots=True)
class NetworkDescription:
    """Content of network.json.

    Attributes:
        kind: Class of the network; "can" for one or several Cross Attention Networks.
        hops: Hops of `MultiHopAttention`; 0 for others.
        words: Rows of the table of word vectors.
        labels: Labels in the order of the classes.
        features: Features of its input.
        normalisation: Normalisation of the frames.
        alpha: Weight α of Eq. (15).
        network: Shape.
    """

    kind: str
    hops: int
    words: int
    labels: tuple[str, ...]
    features: FeatureSpec
    normalisation: Normalisation
    alpha: float
    network: NetworkConfig


@dataclass(frozen=True, slots=True, eq=False)
class StoredNetwork:
    """A trained network, and what is needed to run it.

    Attributes:
        network: The network in evaluation mode, on the CPU.
        description: Labels, features, normalisation, α and shape.
        vocabulary: Index of words.
    """

    network: nn.Module
    description: NetworkDescription
    vocabulary: Vocabulary


def store_network(
    folder: Path,
    network: nn.Module,
    vocabulary: Vocabulary,
    *,
    labels: tuple[str, ...],
    features: FeatureSpec,
    normalisation: Normalisation,
    alpha: float,
    config: NetworkConfig,
) -> None:
    """Write the three files of a trained network.

    Args:
        folder: Folder to write to; it is created.
        network: Trained network of any system.
        vocabulary: Index of words.
        labels: Labels in the order of the classes.
        features: Features of its input.
        normalisation: Normalisation of the frames.
        alpha: Weight α of Eq. (15).
        config: Shape of the network.
    """
    kind, hops = _describe_kind(network)
    description = NetworkDescription(kind, hops, len(vocabulary), labels, features, normalisation, alpha, config)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(_to_stored(network.state_dict()), folder / WEIGHTS)
    vocabulary.write(folder / VOCABULARY)
    (folder / NETWORK).write_text(json.dumps(asdict(description), indent=2) + "\n", encoding="utf-8")


def load(folder: Path | str) -> StoredNetwork:
    """Load the torch network of a bundle, of a fold or of the served weights of a run.

    Args:
        folder: Name of a shipped bundle, folder of a bundle, of a finished fold, or of a run.

    Raises:
        NetworkMissingError: There is no stored network, or a damaged one.
        BundleError: The bundle cannot be read.
    """
    path = locate_bundle(str(folder))
    if (path / CONFIG).is_file():
        return _load_bundle(path)
    if (path / NETWORK).is_file():
        return _load_fold(path)
    folds = sorted(each.parent for each in path.glob(f"*/{NETWORK}")) if path.is_dir() else []
    served = [each for each in folds if each.name.startswith(_SERVED)] or folds
    if len(served) == 1:
        return _load_fold(served[0])
    if folds:
        names = ", ".join(each.name for each in folds)
        raise NetworkMissingError(path, f"a run of several folds ({names}), and no served weights")
    raise NetworkMissingError(path, f"neither {CONFIG} nor {NETWORK}" if path.is_dir() else "no such folder")


def _load_bundle(path: Path) -> StoredNetwork:
    bundle = read_bundle(path)
    config = bundle.config
    description = NetworkDescription(
        "can",
        0,
        len(bundle.vocabulary),
        config.labels,
        config.features,
        config.normalisation,
        config.alpha,
        config.network,
    )
    return StoredNetwork(read_network(bundle), description, bundle.vocabulary)


def _load_fold(path: Path) -> StoredNetwork:
    try:
        description = TypeAdapter(NetworkDescription).validate_json((path / NETWORK).read_bytes())
        stored = load_file(path / WEIGHTS)
        table = _find_table(stored, description)
        network = _build(description, table)
        network.load_state_dict(stored | {name: table for name in network.state_dict() if name.endswith(_TABLE)})
    except (OSError, SafetensorError, ValidationError, KeyError, RuntimeError) as exc:
        raise NetworkMissingError(path, f"{NETWORK} and {WEIGHTS} do not describe a network ({exc})") from exc
    return StoredNetwork(network.eval(), description, Vocabulary.read(path / VOCABULARY))


def _describe_kind(network: nn.Module) -> tuple[str, int]:
    if isinstance(network, MultiHopAttention):
        return MultiHopAttention.__name__, len(network.projections)
    name = type(network).__name__
    return (name, 0) if name in _BASELINES else ("can", 0)


_BASELINES: Final = {kind.__name__: kind for kind in (TextModel, AudioModel, LearnedAlignment)}


def _build(description: NetworkDescription, table: Tensor) -> nn.Module:
    builders: Mapping[str, Any] = {
        "can": build_can,
        MultiHopAttention.__name__: partial(MultiHopAttention, hops=description.hops),
        **_BASELINES,
    }
    network: nn.Module = builders[description.kind](table, len(description.labels), description.network)
    return network


def _to_stored(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a network; its word vectors, which several members share, once."""
    tables = [tensor for name, tensor in state.items() if name.endswith(_TABLE)]
    stored = {name: tensor.detach().contiguous() for name, tensor in state.items() if not name.endswith(_TABLE)}
    if not tables:
        return stored
    integers, scales = quantise_rows(tables[0])
    if torch.equal(integers * scales, tables[0]):
        return stored | {_INTEGERS: integers, _SCALES: scales}
    return stored | {_VECTORS: tables[0].detach().contiguous()}


def _find_table(stored: dict[str, Tensor], description: NetworkDescription) -> Tensor:
    """Remove the word vectors from the stored tensors; zeros for a network that has none."""
    if _INTEGERS in stored:
        return stored.pop(_INTEGERS) * stored.pop(_SCALES)
    if _VECTORS in stored:
        return stored.pop(_VECTORS)
    return torch.zeros(description.words, description.network.embedding_dim)
