"""Temperature scaling: confidence that means what it says.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", ICML.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from model.scores import log_softmax


def fit_temperature(log_scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature that makes the labels most likely.

    Args:
        log_scores: (utterances, classes) of data that was not trained on, at least one row.
        labels: (utterances,).

    Returns:
        T in [0.1, 10]; log-scores divided by it are calibrated.
    """

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(log_scores / np.exp(log_temperature))
        return float(-scaled[np.arange(len(labels)), labels].mean())

    found = minimize_scalar(loss, bounds=(np.log(0.1), np.log(10.0)), method="bounded")
    return round(float(np.exp(found.x)), 4)
