"""Graphs that do not belong to the configuration or the vocabulary of their bundle."""

import json
import shutil
from pathlib import Path

import onnx
import pytest
from onnx.external_data_helper import convert_model_to_external_data

from model.bundle import CAN, CONFIG, SEGMENTS, VOCABULARY, Bundle, read_bundle
from model.bundle_files import write_sums
from model.errors import BundleDamagedError
from model.runtime import EmotionClassifier


@pytest.fixture
def copy(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle.folder, tmp_path / "copy"))


def load(folder: Path) -> EmotionClassifier:
    """Classifier of a folder whose checksums are made right."""
    write_sums(folder)
    return EmotionClassifier(read_bundle(folder), "cpu")


def edit_config(folder: Path, changes: dict[str, object]) -> None:
    config = json.loads((folder / CONFIG).read_text())
    for name, value in changes.items():
        config[name] = config[name] | value if isinstance(value, dict) else value
    (folder / CONFIG).write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("changes", "file"),
    [
        ({"labels": ["ang", "hap", "sad"]}, CAN),
        ({"labels": ["ang", "hap", "sad", "neu", "sur"]}, CAN),
        ({"network": {"head_count": 4}}, CAN),
        ({"network": {"hidden": 8}}, SEGMENTS),
        ({"network": {"hidden": 10**12}}, SEGMENTS),
        ({"network": {"members": 2}}, SEGMENTS),
        (
            {
                "network": {"frame_size": 20},
                "features": {"mfcc": {"n_mfcc": 20}},
                "normalisation": {"mean": [0.0] * 20, "std": [1.0] * 20},
            },
            SEGMENTS,
        ),
    ],
)
def test_configuration_of_another_network_is_refused(copy: Path, changes: dict[str, object], file: str) -> None:
    edit_config(copy, changes)
    with pytest.raises(BundleDamagedError) as caught:
        load(copy)
    assert caught.value.path.name == file


@pytest.mark.parametrize(("words", "reason"), [(9, "fewer than"), (11, "more than"), (0, "fewer than")])
def test_vocabulary_of_another_size_is_refused(copy: Path, words: int, reason: str) -> None:
    (copy / VOCABULARY).write_text("".join(f"word{number}\n" for number in range(words)))
    with pytest.raises(BundleDamagedError, match=reason) as caught:
        load(copy)
    assert caught.value.path.name == VOCABULARY


def test_exchanged_graphs_are_refused(copy: Path) -> None:
    segments = (copy / SEGMENTS).read_bytes()
    (copy / SEGMENTS).write_bytes((copy / CAN).read_bytes())
    (copy / CAN).write_bytes(segments)
    with pytest.raises(BundleDamagedError, match="cannot run"):
        load(copy)


def test_alpha_of_another_graph_is_refused(copy: Path) -> None:
    edit_config(copy, {"alpha": 0.7})
    with pytest.raises(BundleDamagedError, match="alpha"):
        load(copy).warm_up()


def externalise(folder: Path, location: str) -> None:
    """Move the weights of can.onnx into a file of their own."""
    model = onnx.load(folder / CAN)
    convert_model_to_external_data(model, location=location, size_threshold=0)
    onnx.save(model, folder / CAN)


def test_external_data_is_under_the_checksums(copy: Path) -> None:
    externalise(copy, "weights.bin")
    load(copy).warm_up()
    weights = bytearray((copy / "weights.bin").read_bytes())
    weights[-1] ^= 1
    (copy / "weights.bin").write_bytes(weights)
    with pytest.raises(BundleDamagedError, match="checksum"):
        read_bundle(copy)


def test_external_data_elsewhere_is_refused(copy: Path) -> None:
    externalise(copy, "weights.bin")
    (copy / "weights.bin").rename(copy.parent / "weights.bin")
    model = onnx.load(copy / CAN, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../weights.bin" if entry.key == "location" else entry.value
    (copy / CAN).write_bytes(model.SerializeToString())
    with pytest.raises(BundleDamagedError, match="cannot load"):
        load(copy)
