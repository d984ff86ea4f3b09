import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from model.bundle import CONFIG, CONTENTS, SOUND, SUMS, Bundle, locate_bundle, read_bundle, write_sums
from model.calibration import Calibration, SoundReference
from model.errors import BundleDamagedError, BundleMissingError, BundleVersionError


@pytest.fixture
def copy(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle.folder, tmp_path / "copy"))


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    write_sums(folder)


def test_written_bundle_is_read(tiny_bundle: Bundle) -> None:
    assert tiny_bundle.config.emotions == ("angry", "happy", "sad", "neutral")
    assert tiny_bundle.config.calibration == Calibration(1.5)
    assert tiny_bundle.vocabulary.words[1] == "children"
    assert len(tiny_bundle.version) == 12


def test_change_of_a_file_changes_version(copy: Path, tiny_bundle: Bundle) -> None:
    assert read_bundle(copy).version == tiny_bundle.version
    edit_config(copy, calibration={"temperature": 2.0})
    assert read_bundle(copy).version != tiny_bundle.version


@pytest.mark.parametrize("name", [*CONTENTS, SUMS])
def test_missing_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleMissingError) as caught:
        read_bundle(copy)
    assert caught.value.path.name == name


@pytest.mark.parametrize("name", CONTENTS)
def test_altered_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes() + b" ")
    with pytest.raises(BundleDamagedError, match="checksum"):
        read_bundle(copy)


@pytest.mark.parametrize("version", [0, 4, "1", None])
def test_other_format_version_is_refused(copy: Path, version: object) -> None:
    edit_config(copy, format=version)
    with pytest.raises(BundleVersionError):
        read_bundle(copy)


def test_bundle_of_format_1_is_read(copy: Path, tiny_bundle: Bundle) -> None:
    """It had MFCCs only, whose number was `network.n_mfcc`, and no settings of a front end."""
    config = json.loads((copy / CONFIG).read_text())
    config["network"]["n_mfcc"] = config["network"].pop("frame_size")
    for name in ("front_end", "level_db", "encoder_sha256"):
        del config["features"][name]
    config["temperature"] = config.pop("calibration")["temperature"]
    (copy / CONFIG).write_text(json.dumps(config | {"format": 1}))
    write_sums(copy)
    assert read_bundle(copy).config == tiny_bundle.config


def test_bundle_of_format_2_is_read(copy: Path, tiny_bundle: Bundle) -> None:
    """Its temperature was constant."""
    config = json.loads((copy / CONFIG).read_text())
    config["temperature"] = config.pop("calibration")["temperature"]
    (copy / CONFIG).write_text(json.dumps(config | {"format": 2}))
    write_sums(copy)
    assert read_bundle(copy).config == tiny_bundle.config
    assert read_bundle(copy).sound is None


def write_sound(folder: Path, size: int) -> SoundReference:
    sound = SoundReference(np.arange(size, dtype=np.float32), np.ones(size, np.float32), np.eye(size, dtype=np.float32))
    sound.write(folder / SOUND)
    write_sums(folder)
    return sound


def test_sound_of_training_data_is_read(copy: Path) -> None:
    written, read = write_sound(copy, 40), read_bundle(copy).sound
    assert read is not None
    np.testing.assert_array_equal(read.mean, written.mean)
    np.testing.assert_array_equal(read.deviation, written.deviation)
    np.testing.assert_array_equal(read.whitening, written.whitening)
    (copy / SOUND).write_bytes((copy / SOUND).read_bytes() + b" ")
    with pytest.raises(BundleDamagedError, match="checksum"):
        read_bundle(copy)


def test_growing_temperature_needs_the_sound(copy: Path) -> None:
    edit_config(copy, calibration={"growth": 0.5})
    with pytest.raises(BundleMissingError) as caught:
        read_bundle(copy)
    assert caught.value.path.name == SOUND


def test_sound_of_other_features_is_refused(copy: Path) -> None:
    write_sound(copy, 39)
    with pytest.raises(BundleDamagedError, match="another size"):
        read_bundle(copy)


@pytest.mark.parametrize("content", [b"", b"none", np.zeros(3).tobytes()])
def test_sound_that_is_not_an_array_is_refused(copy: Path, content: bytes) -> None:
    (copy / SOUND).write_bytes(content)
    write_sums(copy)
    with pytest.raises(BundleDamagedError, match="sound of training data"):
        read_bundle(copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"calibration": {"temperature": 0}},
        {"calibration": {"growth": -1}},
        {"calibration": {"distance": 0}},
        {"calibration": {"distance_frames": -1}},
        {"calibration": None},
        {"alpha": -1},
        {"labels": ["ang"]},
        {"labels": 3},
        {"normalisation": {"mean": [0.0], "std": [1.0]}},
        {"network": {"heads": "many"}},
        {"features": None},
    ],
)
def test_invalid_content_is_refused(copy: Path, changes: dict[str, object]) -> None:
    edit_config(copy, **changes)
    with pytest.raises(BundleDamagedError):
        read_bundle(copy)


def test_config_that_is_not_json_is_refused(copy: Path) -> None:
    (copy / CONFIG).write_text("{")
    write_sums(copy)
    with pytest.raises(BundleDamagedError, match="JSON"):
        read_bundle(copy)


def test_malformed_checksums_are_refused(copy: Path) -> None:
    (copy / SUMS).write_text("nothing\n")
    with pytest.raises(BundleDamagedError):
        read_bundle(copy)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="model.train"):
        read_bundle(tmp_path / "nowhere")


def test_shipped_bundle_by_name_and_others_by_folder(tmp_path: Path) -> None:
    assert locate_bundle("starter").parent.name == "bundles"
    assert locate_bundle(str(tmp_path)) == tmp_path
