import json
import shutil
from pathlib import Path

import pytest

from model.bundle import CONFIG, CONTENTS, SUMS, Bundle, locate_bundle, read_bundle, write_sums
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
    assert tiny_bundle.config.temperature == 1.5
    assert tiny_bundle.vocabulary.words[1] == "children"
    assert len(tiny_bundle.version) == 12


def test_change_of_a_file_changes_version(copy: Path, tiny_bundle: Bundle) -> None:
    assert read_bundle(copy).version == tiny_bundle.version
    edit_config(copy, temperature=2.0)
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


@pytest.mark.parametrize("version", [0, 3, "1", None])
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
    edit_config(copy, format=1, **{name: config[name] for name in ("network", "features")})
    (copy / CONFIG).write_text(json.dumps(config | {"format": 1}))
    write_sums(copy)
    assert read_bundle(copy).config == tiny_bundle.config


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0},
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
