import hashlib
import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.bundle import CONFIG, CONTENTS, SOUND, VOCABULARY, Bundle, locate_bundle, read_bundle
from model.bundle_files import MAX_TEXT_BYTES, SUMS, write_sums
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


def array_file(values: NDArray[np.generic], shape: tuple[int, ...] | None = None) -> bytes:
    """File of numpy whose header states another shape."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    written = f"{values.shape}, }}".encode()
    return buffer.getvalue().replace(written, f"{shape or values.shape}, }}".encode()[: len(written)])


def archive() -> bytes:
    """File of several arrays, which is a zip archive."""
    buffer = io.BytesIO()
    np.savez(buffer, mean=np.zeros(40))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"none",
        np.zeros(3).tobytes(),
        array_file(np.zeros((42, 40)))[:-8],
        array_file(np.zeros((42, 40)), (10**15, 9)),
        array_file(np.full((42, 40), np.nan)),
        array_file(np.full((42, 40), -1.0)),
        array_file(np.full((42, 40), 1e300)),
        array_file(np.full((42, 40), "a")),
        array_file(np.zeros((42, 40), complex)),
        archive(),
    ],
)
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
        {"calibration": {"temperature": math.inf}},
        {"calibration": {"distance_frames": math.nan}},
        {"alpha": -1},
        {"alpha": math.nan},
        {"labels": ["ang"]},
        {"labels": ["ang", "hap", "sad", "ang"]},
        {"labels": ["ang", "hap", "sad", "angry"]},
        {"labels": ["ang", "hap", "sad", ""]},
        {"labels": ["ang", "hap", "sad", "\x1b[2J"]},
        {"labels": 3},
        {"normalisation": {"mean": [0.0], "std": [1.0]}},
        {"normalisation": {"mean": [0.0] * 40, "std": [0.0] + [1.0] * 39}},
        {"normalisation": {"mean": [0.0] * 40, "std": [1e-60] * 40}},
        {"normalisation": {"mean": [1e300] * 40, "std": [1.0] * 40}},
        {"network": {"heads": "many"}},
        {"features": {"mfcc": {"n_fft": 1e9}}},
        {"features": {"mfcc": {"n_mels": 100_000}}},
        {"features": {"mfcc": {"hop_samples": 1}}},
        {"features": {"mfcc": {"pre_emphasis": 1e300}}},
        {"features": None},
    ],
)
def test_invalid_content_is_refused(copy: Path, changes: dict[str, object]) -> None:
    edit_config(copy, **changes)
    with pytest.raises(BundleDamagedError):
        read_bundle(copy)


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b'{"a": ' * 100_000, b"\xff", "{}".encode("utf-16")])
def test_config_that_is_not_json_is_refused(copy: Path, content: bytes) -> None:
    (copy / CONFIG).write_bytes(content)
    write_sums(copy)
    with pytest.raises(BundleDamagedError, match="JSON|UTF-8"):
        read_bundle(copy)


def test_vocabulary_in_another_encoding_is_refused(copy: Path) -> None:
    (copy / VOCABULARY).write_text("für\n", encoding="latin-1")
    write_sums(copy)
    with pytest.raises(BundleDamagedError, match="UTF-8"):
        read_bundle(copy)


def test_vocabulary_beyond_the_bound_is_refused(copy: Path) -> None:
    with (copy / VOCABULARY).open("rb+") as file:
        file.truncate(MAX_TEXT_BYTES + 1)
    write_sums(copy)
    with pytest.raises(BundleDamagedError, match="limit"):
        read_bundle(copy)


@pytest.mark.parametrize("name", ["weights.bin", "data/weights.bin", ".hidden"])
def test_file_without_checksum_is_refused(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_bytes(b"weights")
    with pytest.raises(BundleDamagedError, match="not listed"):
        read_bundle(copy)
    write_sums(copy)
    assert read_bundle(copy).version


def test_folder_by_symbolic_link_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "data").symlink_to(tmp_path)
    with pytest.raises(BundleDamagedError, match="not listed"):
        read_bundle(copy)


def test_checksum_of_a_file_elsewhere_is_refused(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"")
    with (copy / SUMS).open("a") as sums:
        sums.write(f"{hashlib.sha256(b'').hexdigest()}  ../outside\n")
    with pytest.raises(BundleDamagedError, match="not a file of the bundle"):
        read_bundle(copy)


@pytest.mark.parametrize("content", [b"nothing\n", b"\xff  can.onnx\n"])
def test_malformed_checksums_are_refused(copy: Path, content: bytes) -> None:
    (copy / SUMS).write_bytes(content)
    with pytest.raises(BundleDamagedError):
        read_bundle(copy)


def test_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(BundleDamagedError, match="cannot be read"):
        read_bundle(locate_bundle("a" * 10_000))


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="model.train"):
        read_bundle(tmp_path / "nowhere")


def test_shipped_bundle_by_name_and_others_by_folder(tmp_path: Path) -> None:
    assert locate_bundle("starter").parent.name == "bundles"
    assert locate_bundle(str(tmp_path)) == tmp_path
