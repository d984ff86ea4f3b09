"""Bundles: folders with everything that is served.

    segments.onnx   lower audio BLSTM and pooling
    can.onnx        rest of the network
    config.json     labels, FeatureSpec, normalisation, alpha, calibration, network, origin
    sound.npy       sound of the training data, for the calibration; optional
    vocabulary.txt  one word per line
    metrics.json    evaluation: metrics, data and commands
    MODEL_CARD.md   description and evaluation for readers
    SHA256SUMS      checksums of these files

FeatureSpec, labels and vocabulary are stored with the weights, so that a served network only reads features of the kind
it was trained on. There is no pickle: a bundle from an untrusted source can return wrong results, but not run code.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from alignment.features.extraction import FeatureSpec
from model.calibration import Calibration, SoundReference
from model.config import NetworkConfig
from model.errors import BundleDamagedError, BundleMissingError, BundleVersionError
from model.scores import EMOTION_NAMES
from model.vocabulary import Vocabulary

FORMAT: Final = 3
_READABLE: Final = (1, 2, FORMAT)
SEGMENTS: Final = "segments.onnx"
CAN: Final = "can.onnx"
CONFIG: Final = "config.json"
SOUND: Final = "sound.npy"
VOCABULARY: Final = "vocabulary.txt"
METRICS: Final = "metrics.json"
CARD: Final = "MODEL_CARD.md"
SUMS: Final = "SHA256SUMS"
CONTENTS: Final = (SEGMENTS, CAN, CONFIG, VOCABULARY, METRICS, CARD)


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and standard deviation of each value of the training frames.

    Attributes:
        mean: (frame size,); of MFCCs in decibels.
        std: (frame size,).
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def mean_frame(self) -> NDArray[np.float32]:
        """(frame size,) frame that is zero after normalisation."""
        return _row(self.mean)

    def apply(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalise (frames, frame size) to mean 0 and deviation 1 over the training frames."""
        return (frames - _row(self.mean)) / _row(self.std)


@lru_cache(maxsize=16)
def _row(values: tuple[float, ...]) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of the weights.

    Attributes:
        trained_on: Description of the corpus.
        licence: SPDX identifier of the weights' licence.
        vectors: Description of the word vectors.
        created: ISO date.
    """

    trained_on: str
    licence: str
    vectors: str
    created: str


@dataclass(frozen=True, slots=True)
class BundleConfig:
    """Content of config.json.

    Attributes:
        name: Name of the bundle.
        system: System of the paper's tables, "can" for the network itself.
        labels: Labels in the order of the network's classes.
        features: Feature specification.
        normalisation: Normalisation of the frames.
        alpha: Weight α of Eq. (15).
        calibration: Temperature of the final log-scores, fitted on data that was not trained on.
        network: Shape of the network.
        origin: Training data and licence.
    """

    name: str
    system: str
    labels: tuple[str, ...]
    features: FeatureSpec
    normalisation: Normalisation
    alpha: float
    calibration: Calibration
    network: NetworkConfig
    origin: Origin

    @property
    def emotions(self) -> tuple[str, ...]:
        """English names of the labels."""
        return _name_emotions(self.labels)


@lru_cache(maxsize=16)
def _name_emotions(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(EMOTION_NAMES.get(label, label) for label in labels)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle.

    Attributes:
        folder: Folder of the bundle.
        config: Content of config.json.
        vocabulary: Content of vocabulary.txt.
        sound: Sound of the training data; None in a bundle without `SOUND`.
        version: First digits of the checksum of SHA256SUMS; a change of any file changes it.
    """

    folder: Path
    config: BundleConfig
    vocabulary: Vocabulary
    sound: SoundReference | None
    version: str


def locate_bundle(name_or_path: str) -> Path:
    """Folder of a shipped bundle by name ("starter"), or the given path."""
    shipped = Path(str(files("model") / "bundles" / name_or_path))
    return shipped if "/" not in name_or_path and shipped.is_dir() else Path(name_or_path)


def read_bundle(folder: Path) -> Bundle:
    """Verify every file of a bundle and read it.

    Raises:
        BundleMissingError: The folder or a file does not exist.
        BundleVersionError: The bundle has another format version.
        BundleDamagedError: A checksum or a value is wrong.
    """
    sums = _read_sums(folder)
    for name in list_contents(folder):
        path = folder / name
        if not path.is_file():
            raise BundleMissingError(path)
        if sums.get(name) != hashlib.sha256(path.read_bytes()).hexdigest():
            raise BundleDamagedError(path, f"its checksum differs from the one in {SUMS}")
    version = hashlib.sha256((folder / SUMS).read_bytes()).hexdigest()[:12]
    config = read_config(folder / CONFIG)
    return Bundle(folder, config, Vocabulary.read(folder / VOCABULARY), _read_sound(folder / SOUND, config), version)


def list_contents(folder: Path) -> tuple[str, ...]:
    """Names of the files of a bundle except SHA256SUMS."""
    return (*CONTENTS, SOUND) if (folder / SOUND).exists() else CONTENTS


def _read_sound(path: Path, config: BundleConfig) -> SoundReference | None:
    if not path.exists():
        if config.calibration.growth:
            raise BundleMissingError(path)
        return None
    try:
        sound = SoundReference.read(path)
    except ValueError as exc:
        raise BundleDamagedError(path, f"not the sound of training data ({exc})") from exc
    if len(sound.mean) != config.features.frame_size:
        raise BundleDamagedError(path, "its frames have another size than those of the features")
    return sound


def _read_sums(folder: Path) -> dict[str, str]:
    path = folder / SUMS
    if not path.is_file():
        raise BundleMissingError(path)
    rows = [line.split("  ", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    if any(len(row) != 2 for row in rows):
        raise BundleDamagedError(path, "a line is not `checksum  name`")
    return {name: checksum for checksum, name in rows}


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS of the bundle's files in the format of `sha256sum`."""
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in list_contents(folder)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def write_config(path: Path, config: BundleConfig) -> None:
    """Write config.json."""
    path.write_text(json.dumps({"format": FORMAT, **asdict(config)}, indent=2) + "\n", encoding="utf-8")


def _upgrade(data: dict[str, Any]) -> None:
    """Rename what formats 1 and 2 call otherwise; in 1, no front end other than MFCC existed."""
    network = data.get("network")
    if isinstance(network, dict) and "n_mfcc" in network:
        network["frame_size"] = network.pop("n_mfcc")
    if "temperature" in data:
        data["calibration"] = {"temperature": data.pop("temperature")}


def read_config(path: Path) -> BundleConfig:
    """Read config.json.

    Raises:
        BundleVersionError, BundleDamagedError: See `read_bundle`.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise BundleDamagedError(path, f"not JSON ({exc})") from exc
    version = data.pop("format", None) if isinstance(data, dict) else None
    if version not in _READABLE:
        raise BundleVersionError(path, version, FORMAT)
    if version != FORMAT:
        _upgrade(data)
    try:
        config = TypeAdapter(BundleConfig).validate_python(data)
    except ValidationError as exc:
        raise BundleDamagedError(
            path, f"unexpected content ({exc.errors()[0]['loc']}: {exc.errors()[0]['msg']})"
        ) from exc
    sizes = {len(config.normalisation.mean), len(config.normalisation.std), config.network.frame_size}
    if sizes != {config.features.frame_size}:
        raise BundleDamagedError(path, "normalisation, features and network disagree on the size of a frame")
    calibration = config.calibration
    in_range = calibration.temperature > 0 and calibration.growth >= 0 and calibration.distance > 0
    if not in_range or calibration.distance_frames < 0 or config.alpha < 0 or len(config.labels) < 2:
        raise BundleDamagedError(path, "calibration, alpha or labels are out of range")
    return config
