"""Temperature of the final log-scores, and the distance of a sound from the training data that raises it. No torch.

Temperature scaling that is fitted on unseen speakers of the training corpora leaves a network too certain of sound from
elsewhere. The temperature here grows with the distance of an utterance from the sound of the training data.

Sources: Guo et al. 2017, "On Calibration of Modern Neural Networks", ICML (temperature); Lee et al. 2018, "A Simple
Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS (Mahalanobis distance);
Tomani et al. 2023, "Beyond In-Domain Scenarios: Robust Density-Aware Calibration", ICML (temperature by density).
"""

from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Final

import numpy as np
from numpy.typing import NDArray

# numpy parses the header of an array as Python source.
_HEADER_ERRORS: Final = (EOFError, MemoryError, OverflowError, RecursionError, SyntaxError, TokenError, TypeError)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Temperature by the distance of the sound.

    The mean frame of a short utterance varies more, so that a distance is divided by the one that utterances of unseen
    speakers of the training corpora have at the same number of frames, `distance + distance_frames / frames`.

    Attributes:
        temperature: Divisor of the final log-scores at a relative distance of at most 1.
        growth: Exponent of the relative distance above 1; 0 for a constant temperature.
        distance: Expected distance of a long utterance of an unseen speaker.
        distance_frames: What is added for a short one, times its number of frames.
    """

    temperature: float = 1.0
    growth: float = 0.0
    distance: float = 1.0
    distance_frames: float = 0.0

    def relative_distances(self, distances: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """(utterances,) distances and numbers of frames → distances relative to the expected ones, about 1."""
        relative: NDArray[np.float64] = distances / (self.distance + self.distance_frames / frames)
        return relative

    def temperatures(self, relative: NDArray[np.float64]) -> NDArray[np.float64]:
        """(utterances,) relative distances → temperatures."""
        temperatures: NDArray[np.float64] = self.temperature * np.maximum(relative, 1.0) ** self.growth
        return temperatures


@dataclass(frozen=True, slots=True, eq=False)
class SoundReference:
    """Sound of the training data: distribution of the mean frames of utterances, and deviation within a word.

    Attributes:
        mean: (frame size,) float32 mean of the mean frames.
        deviation: (frame size,) float32 root mean square deviation of the frames of a segment from their mean.
        whitening: (frame size, frame size) float32; differences from the mean times this matrix are uncorrelated and
            have variance 1 over the training data.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    whitening: NDArray[np.float32]

    def distances(self, mean_frames: NDArray[np.floating]) -> NDArray[np.float64]:
        """Squared Mahalanobis distances per value, about 1 over the training data.

        Args:
            mean_frames: (utterances, frame size) means over the frames of each utterance, not normalised.
        """
        whitened = (mean_frames - self.mean).astype(np.float64) @ self.whitening
        distances: NDArray[np.float64] = np.square(whitened).mean(axis=1)
        return distances

    @classmethod
    def read(cls, path: Path) -> "SoundReference":
        """Read an array written by `write`.

        Raises:
            ValueError: The file is not such an array.
        """
        try:
            # A memory map reads nothing else than an array, and no more than the file holds.
            table = np.lib.format.open_memmap(path, mode="r")
        except _HEADER_ERRORS as exc:
            raise ValueError(f"no array ({type(exc).__name__})") from exc
        if table.dtype.kind != "f" or table.ndim != 2 or table.shape[0] != table.shape[1] + 2:
            raise ValueError(f"an array of type {table.dtype} and shape {table.shape}")
        with np.errstate(over="ignore"):
            values = np.array(table, np.float32)
        if not np.isfinite(values).all() or (values[1] < 0).any():
            raise ValueError("values that are not finite, or negative deviations")
        return cls(values[0], values[1], values[2:])

    def write(self, path: Path) -> None:
        """Write mean, deviation and whitening matrix as one array, (frame size + 2, frame size)."""
        np.save(path, np.concatenate((self.mean[None], self.deviation[None], self.whitening)))
