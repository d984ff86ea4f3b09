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

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from alignment.features.extraction import FeatureSpec
from model.bundle_files import read_json, read_text, verify_files
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
# Bounds of the memory and time that features take, far beyond any use: 1 s of sound, bands of 16 Hz, frames every 1 ms.
_MAX_FFT: Final = 16_384
_MAX_MELS: Final = 512
_MIN_HOP_SAMPLES: Final = 16
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
    shipped = Path(str(files("model") / "bundles"))
    return shipped / name_or_path if name_or_path in _list_folders(shipped) else Path(name_or_path)


def _list_folders(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


def read_bundle(folder: Path) -> Bundle:
    """Verify every file of a bundle and read it.

    Raises:
        BundleMissingError: The folder or a file does not exist.
        BundleVersionError: The bundle has another format version.
        BundleDamagedError: A checksum or a value is wrong, a file has none, or a file cannot be read.
    """
    try:
        version = verify_files(folder, CONTENTS)
        config = read_config(folder / CONFIG)
        vocabulary, sound = Vocabulary.read(folder / VOCABULARY), _read_sound(folder / SOUND, config)
    except OSError as exc:
        raise BundleDamagedError(Path(exc.filename or folder), f"it cannot be read ({exc.strerror})") from exc
    return Bundle(folder, config, vocabulary, sound, version)


def read_metrics(bundle: Bundle) -> dict[str, Any]:
    """Content of metrics.json.

    Raises:
        BundleDamagedError: It is not a JSON object.
    """
    metrics = read_json(bundle.folder / METRICS)
    if not isinstance(metrics, dict):
        raise BundleDamagedError(bundle.folder / METRICS, "not a JSON object")
    return metrics


def read_card(bundle: Bundle) -> str:
    """Content of MODEL_CARD.md.

    Raises:
        BundleDamagedError: It is not UTF-8.
    """
    return read_text(bundle.folder / CARD)


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
    data = read_json(path)
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
    fault = next(_find_faults(config), None)
    if fault:
        raise BundleDamagedError(path, fault)
    return config


def _find_faults(config: BundleConfig) -> Iterator[str]:
    """Values that the network cannot be served with."""
    with np.errstate(over="ignore"):
        mean, std = _row(config.normalisation.mean), _row(config.normalisation.std)
    if {len(mean), len(std), config.network.frame_size} != {config.features.frame_size}:
        yield "normalisation, features and network disagree on the size of a frame"
    elif not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        yield "a mean of the normalisation is not finite, or a deviation is not positive"
    mfcc = config.features.mfcc
    if mfcc.n_fft > _MAX_FFT or mfcc.n_mels > _MAX_MELS or mfcc.hop_samples < _MIN_HOP_SAMPLES:
        yield f"n_fft is above {_MAX_FFT}, n_mels is above {_MAX_MELS}, or hop_samples is below {_MIN_HOP_SAMPLES}"
    if not 0 <= mfcc.pre_emphasis <= 1:
        yield "pre_emphasis is not between 0 and 1"
    if len(config.labels) < 2 or len(set(config.emotions)) != len(config.labels):
        yield f"{', '.join(config.labels)} are not two or more different labels"
    if not all(label.isprintable() and label.strip() for label in config.labels):
        yield "a label is empty or cannot be printed"
    numbers = (config.alpha, *asdict(config.calibration).values())
    positive = config.calibration.temperature > 0 and config.calibration.distance > 0
    if not (np.isfinite(numbers).all() and positive and min(numbers) >= 0):
        yield "calibration or alpha are out of range"
