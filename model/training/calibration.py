"""Fit of the calibration: sound of the training data, expected distance, and temperature by distance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls
from sklearn.covariance import LedoitWolf

from model.calibration import Calibration, SoundReference
from model.data.prepared import FrameSummary
from model.scores import log_softmax

_DEVIATION_FLOOR: Final = 1e-3
_VARIANCE_FLOOR: Final = 1e-6
_DISTANCE_FLOOR: Final = 1e-3
_ROUNDS: Final = 5
_TEMPERATURES: Final = (0.1, 10.0)
_GROWTHS: Final = (0.0, 3.0)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Predictions for utterances that a network was not trained on.

    Attributes:
        scores: (utterances, classes) final log-scores at temperature 1, up to a constant per row.
        labels: (utterances,) true classes.
        distances: (utterances,) from the sound that the network was trained on, see `SoundReference.distances`.
        frames: (utterances,) number of frames.
    """

    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    distances: NDArray[np.float64]
    frames: NDArray[np.int64]

    def calibrated(self, calibration: Calibration) -> NDArray[np.float64]:
        """(utterances, classes) log-probabilities."""
        temperatures = calibration.temperatures(calibration.relative_distances(self.distances, self.frames))
        return log_softmax(self.scores / temperatures[:, None])

    def loss(self, calibration: Calibration) -> float:
        """Mean negative logarithm of the probability of the true class."""
        return float(-self.calibrated(calibration)[np.arange(len(self.labels)), self.labels].mean())


def fit_reference(summary: FrameSummary, utterances: NDArray[np.int64]) -> SoundReference:
    """Sound of some utterances; the covariance of the mean frames is shrunk.

    Source: Ledoit, Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    Multivariate Analysis 88.
    """
    mean_frames, weights = summary.means[utterances], summary.counts[utterances]
    mean, deviation = mean_frames.mean(axis=0), mean_frames.std(axis=0) + _DEVIATION_FLOOR
    within = np.sqrt(np.average(summary.variances[utterances], axis=0, weights=weights))
    covariance = LedoitWolf().fit((mean_frames - mean) / deviation).covariance_
    precision = np.linalg.inv(covariance + _VARIANCE_FLOOR * np.eye(len(covariance)))
    whitening = np.linalg.cholesky(precision) / deviation[:, None]
    return SoundReference(mean.astype(np.float32), within.astype(np.float32), whitening.astype(np.float32))


def join_held_out(parts: Sequence[HeldOut]) -> HeldOut:
    """All utterances of some parts."""
    return HeldOut(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("scores", "labels", "distances", "frames")
        )
    )


def fit_calibration(unseen_speakers: HeldOut, unseen_corpora: Sequence[HeldOut] = ()) -> Calibration:
    """Calibration that maximises the likelihood of the labels.

    Args:
        unseen_speakers: Of the training corpora; they also give the expected distance.
        unseen_corpora: Each is a corpus that its network has not seen at all; together they count as much as
            `unseen_speakers`. Without any the temperature does not grow: distances of a single corpus say nothing
            about sound from elsewhere.
    """
    expected = _fit_expected_distance(unseen_speakers)

    def loss(values: NDArray[np.float64]) -> float:
        calibration = replace(expected, temperature=float(np.exp(values[0])), growth=float(values[1]))
        others = [part.loss(calibration) for part in unseen_corpora]
        return unseen_speakers.loss(calibration) + (float(np.mean(others)) if others else 0.0)

    growths = _GROWTHS if unseen_corpora else (0.0, 0.0)
    bounds = [tuple(np.log(_TEMPERATURES)), growths]
    fitted = minimize(loss, (0.0, growths[1] / 6), method="Nelder-Mead", bounds=bounds, options={"xatol": 1e-4})
    return replace(expected, temperature=round(float(np.exp(fitted.x[0])), 4), growth=round(float(fitted.x[1]), 4))


def _fit_expected_distance(part: HeldOut) -> Calibration:
    """Least squares of the relative error of a + b / frames, by iterated weights."""
    terms = np.stack((np.ones(len(part.frames)), 1.0 / part.frames), axis=1)
    expected = np.full(len(part.frames), max(float(np.median(part.distances)), _DISTANCE_FLOOR))
    for _ in range(_ROUNDS):
        (distance, distance_frames), _ = nnls(terms / expected[:, None], part.distances / expected)
        expected = np.maximum(terms @ (distance, distance_frames), _DISTANCE_FLOOR)
    distance = max(float(distance), _DISTANCE_FLOOR)
    return Calibration(distance=round(distance, 5), distance_frames=round(float(distance_frames), 4))
