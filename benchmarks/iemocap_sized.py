"""Utterance lengths of IEMOCAP, for benchmarks on synthetic data of the same size."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

UTTERANCES: Final = 7_486


def draw_lengths(generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Seconds and word count of each utterance.

    Log-normal seconds, 0.6 to 34 (mean 4.5, deviation 3.1), and 12 words on average, in proportion to the length.
    """
    sigma = np.sqrt(np.log(1 + (3.1 / 4.5) ** 2))
    seconds = np.clip(generator.lognormal(np.log(4.5) - sigma**2 / 2, sigma, UTTERANCES), 0.6, 34.0)
    return seconds, np.maximum(1, generator.poisson(12 * seconds / 4.5))


def draw_shares(generator: np.random.Generator, words: int) -> NDArray[np.float64]:
    """Random shares of the words in the length of an utterance; they sum to one."""
    return generator.dirichlet(np.full(words, 2.0))
