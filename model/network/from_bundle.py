"""The torch network of a bundle, from the values in its two ONNX graphs.

The export keeps the names of all parameters except those of LSTMs, whose matrices it reorders. The graphs list the
LSTMs member by member: of each, the text encoder, then the upper audio encoder.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from model.bundle import CAN, SEGMENTS, Bundle
from model.errors import BundleDamagedError
from model.network.ensemble import build_can, members_of

_LSTM: Final = "LSTM"
_DIRECTIONS: Final = ("", "_reverse")
_GATES: Final = (0, 2, 3, 1)
"""Position of torch's gates (input, forget, cell, output) among those of ONNX (input, output, forget, cell)."""

Values = Mapping[str, NDArray[np.generic]]


def read_network(bundle: Bundle) -> nn.Module:
    """Network of a bundle in evaluation mode; its word vectors are those of the graph.

    Raises:
        BundleDamagedError: A graph does not hold the values of such a network.
    """
    segments, can = (_Graph(bundle.folder / name) for name in (SEGMENTS, CAN))
    table = torch.from_numpy(can.value("embedding.integers") * can.value("embedding.scales"))
    network = build_can(table, len(bundle.config.labels), bundle.config.network)
    members = members_of(network)
    for number, member in enumerate(members):
        state = dict(_member_state(number, segments, can))
        try:
            missing, unexpected = member.load_state_dict(state, strict=False)
        except RuntimeError as exc:
            raise BundleDamagedError(can.path, f"a value has another shape than config.json describes ({exc})") from exc
        if unexpected or missing != ["text_encoder.embedding.weight"]:
            raise BundleDamagedError(can.path, f"no values of {', '.join(missing[1:] or unexpected)}")
    return network.eval()


class _Graph:
    """Values of a graph by name, and of its LSTMs in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        graph = onnx.load(str(path)).graph
        self._values = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self.lstms = [[self.value(name) for name in node.input[1:4]] for node in graph.node if node.op_type == _LSTM]

    def value(self, name: str) -> NDArray[np.float32]:
        """One value as float32.

        Raises:
            BundleDamagedError: The graph does not have it.
        """
        if name not in self._values:
            raise BundleDamagedError(self.path, f"no value {name!r}")
        return np.array(self._values[name], np.float32)

    def below(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        """Values whose name begins with a prefix, without it."""
        for name in self._values:
            if name.startswith(prefix):
                yield name.removeprefix(prefix), torch.from_numpy(self.value(name))


def _member_state(number: int, segments: _Graph, can: _Graph) -> Iterator[tuple[str, Tensor]]:
    yield from can.below(f"members.{number}.")
    # The exporter stores equal values once: all members have the statistics of the first.
    for owner in (0, number):
        yield from ((f"audio_encoder.{name}", value) for name, value in segments.below(f"graphs.{owner}."))
    if segments.lstms:
        yield from _lstm_state("audio_encoder.lower.lstm", _choose(segments, number))
    yield from _lstm_state("text_encoder.encoder.lstm", _choose(can, 2 * number))
    yield from _lstm_state("audio_encoder.upper.lstm", _choose(can, 2 * number + 1))


def _choose(graph: _Graph, index: int) -> list[NDArray[np.float32]]:
    if index >= len(graph.lstms):
        raise BundleDamagedError(graph.path, f"{len(graph.lstms)} LSTMs are fewer than config.json describes")
    return graph.lstms[index]


def _lstm_state(name: str, matrices: list[NDArray[np.float32]]) -> Iterator[tuple[str, Tensor]]:
    """Parameters of a bidirectional layer from the inputs W, R and B of an ONNX LSTM."""
    inputs, recurrent, biases = matrices
    for direction, suffix in enumerate(_DIRECTIONS):
        yield f"{name}.weight_ih_l0{suffix}", _reorder(inputs[direction])
        yield f"{name}.weight_hh_l0{suffix}", _reorder(recurrent[direction])
        for kind, bias in zip(("ih", "hh"), np.split(biases[direction], 2), strict=True):
            yield f"{name}.bias_{kind}_l0{suffix}", _reorder(bias)


def _reorder(rows: NDArray[np.float32]) -> Tensor:
    gates = np.split(rows, 4)
    return torch.from_numpy(np.concatenate([gates[position] for position in _GATES]))
