"""The two graphs of a bundle, loaded and compared with its configuration. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from alignment.onnx_session import CPU, open_session
from model.bundle import CAN, SEGMENTS, VOCABULARY, Bundle
from model.errors import BundleDamagedError

_ERRORS: Final = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    ValueError,  # of the Python interface: an input is missing
    MemoryError,
)
_WORDS: Final = 2
_SILENT: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Graphs:
    """Sessions of ONNX Runtime.

    Attributes:
        segments: Session of segments.onnx.
        can: Session of can.onnx.
    """

    segments: Any
    can: Any


def open_graphs(bundle: Bundle, providers: Sequence[str], threads: int) -> Graphs:
    """Load both graphs and run them once on two words.

    Raises:
        BundleDamagedError: ONNX Runtime cannot load or run a graph, or a graph does not match the configuration or the
            vocabulary.
    """
    graphs = Graphs(*(_open(bundle, name, providers, threads) for name in (SEGMENTS, CAN)))
    vectors = _run_segments(bundle, graphs)
    _check_shapes(bundle, CAN, _run_can(bundle, graphs, vectors, 1), _can_shapes(bundle))
    _check_vocabulary(bundle, graphs, vectors)
    return graphs


def _open(bundle: Bundle, name: str, providers: Sequence[str], threads: int) -> Any:
    try:
        return open_session(bundle.folder / name, threads, providers)
    except _ERRORS as exc:
        raise BundleDamagedError(bundle.folder / name, f"ONNX Runtime cannot load it ({exc})") from exc


def _run_segments(bundle: Bundle, graphs: Graphs) -> NDArray[np.float32]:
    """Vectors of two segments of one and of two frames, (2, members · 2 · hidden)."""
    network = bundle.config.network
    frames = np.zeros((_WORDS, 2, network.frame_size), np.float32)
    outputs = _run(bundle, SEGMENTS, graphs.segments, {"frames": frames, "frame_counts": np.array([1, 2], np.int64)})
    _check_shapes(bundle, SEGMENTS, outputs, [(_WORDS, 2 * network.hidden * network.members)])
    vectors: NDArray[np.float32] = outputs[0]
    return vectors


def _run_can(bundle: Bundle, graphs: Graphs, vectors: NDArray[np.float32], word: int) -> list[NDArray[np.float32]]:
    """Outputs for one utterance of two words with the same index."""
    inputs: dict[str, NDArray[Any]] = {
        "vectors": vectors,
        "segment_index": np.array([[1, 2]], np.int64),
        "words": np.full((1, _WORDS), word, np.int64),
        "word_counts": np.array([_WORDS], np.int64),
    }
    return _run(bundle, CAN, graphs.can, inputs)


def _can_shapes(bundle: Bundle) -> list[tuple[int, ...]]:
    """Shapes of the outputs of can.onnx in their order, for one utterance."""
    classes, heads = len(bundle.config.labels), bundle.config.network.head_count
    return [(1, classes)] * 3 + [(1, heads, _WORDS)] * 2 + [(1, _WORDS, classes)] * 2 + [(classes,)]


def _check_shapes(
    bundle: Bundle, name: str, outputs: Sequence[NDArray[np.float32]], expected: Sequence[tuple[int, ...]]
) -> None:
    found = [np.shape(output) for output in outputs]
    if found != list(expected):
        reason = f"its outputs have the shapes {found}, the configuration describes {list(expected)}"
        raise BundleDamagedError(bundle.folder / name, reason)


def _check_vocabulary(bundle: Bundle, graphs: Graphs, vectors: NDArray[np.float32]) -> None:
    """The last index must have a word vector, and, where ONNX Runtime checks indices, the next one must have none."""
    size, path = len(bundle.vocabulary), bundle.folder / VOCABULARY
    if not _has_vector(graphs, bundle, vectors, size - 1):
        raise BundleDamagedError(path, f"it has {size - 2:,} words, more than {CAN} has vectors")
    if graphs.can.get_providers()[0] == CPU and _has_vector(graphs, bundle, vectors, size):
        raise BundleDamagedError(path, f"it has {size - 2:,} words, fewer than {CAN} has vectors")


def _has_vector(graphs: Graphs, bundle: Bundle, vectors: NDArray[np.float32], index: int) -> bool:
    try:
        _run_can(bundle, graphs, vectors, index)
    except BundleDamagedError:
        return False
    return True


def _run(bundle: Bundle, name: str, session: Any, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
    options = onnxruntime.RunOptions()
    options.log_severity_level = _SILENT
    try:
        outputs: list[NDArray[np.float32]] = session.run(None, dict(inputs), options)
    except _ERRORS as exc:
        raise BundleDamagedError(bundle.folder / name, f"ONNX Runtime cannot run it ({exc})") from exc
    return outputs
