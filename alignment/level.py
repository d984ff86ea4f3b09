"""Level of the spoken part of a sound, its normalisation, and the distance to the background.

The unit is the power of blocks of 20 ms: one vowel is longer, and a pause between words is too.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

LEVEL_DB: Final = -26.0
BLOCK_SAMPLES: Final = 320
_LOUD_PERCENTILE: Final = 0.95
_ACTIVE_RATIO: Final = 1e-3
_MAX_GAIN_DB: Final = 60.0
_QUIET_SHARE: Final = 0.1
_DIGITAL_SILENCE_RATIO: Final = 10**-6.5
_SNR_BOUNDS_DB: Final = (-10.0, 60.0)


def active_level_db(samples: NDArray[np.float32]) -> float:
    """Level of the spoken part in dB relative to full scale; -inf for silence.

    Args:
        samples: (samples,) float32, without a constant offset.

    Returns:
        Mean power of the blocks of 20 ms that are at most 30 dB weaker than the loud ones (95th percentile).

    Deviation: ITU-T P.56 measures the active level by an envelope with hysteresis; blocks give it within a decibel.
    """
    powers = _block_powers(samples)
    loud = _loud_power(powers)
    return _to_db(float(powers[powers >= _ACTIVE_RATIO * loud].mean())) if loud else float("-inf")


def normalise_level(samples: NDArray[np.float32], level_db: float = LEVEL_DB) -> NDArray[np.float32]:
    """Scale a sound so that its spoken part has a given level; peaks are not clipped, silence is returned as it is.

    Args:
        samples: (samples,) float32, without a constant offset.
        level_db: Level in dB relative to full scale; ITU-T P.56 and G.191 use -26.

    Returns:
        (samples,) float32, amplified or attenuated by at most 60 dB.
    """
    level = active_level_db(samples)
    if level == float("-inf"):
        return samples
    gain_db = min(max(level_db - level, -_MAX_GAIN_DB), _MAX_GAIN_DB)
    return samples * np.float32(10 ** (gain_db / 20))


def estimate_snr_db(samples: NDArray[np.float32]) -> float:
    """Estimate the signal-to-noise ratio in dB, within -10 and 60.

    The noise is the power of the quietest tenth of the blocks of 20 ms, without digital silence; the signal is the mean
    power of the spoken blocks above it. Speech without a pause therefore appears noisier than it is.

    Args:
        samples: (samples,) float32, without a constant offset.
    """
    powers = _block_powers(samples)
    loud = _loud_power(powers)
    audible = np.sort(powers[powers > _DIGITAL_SILENCE_RATIO * loud])
    if not len(audible):
        return _SNR_BOUNDS_DB[0]
    noise = float(audible[: max(1, int(_QUIET_SHARE * len(audible)))].mean())
    active = audible[audible >= max(2 * noise, _ACTIVE_RATIO * loud)]
    signal = float(active.mean()) - noise if len(active) else 0.0
    low_db, high_db = _SNR_BOUNDS_DB
    return min(max(_to_db(signal / noise), low_db), high_db) if signal else low_db


def _block_powers(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """(blocks,) mean power of whole blocks; of all samples where there is no whole block."""
    size = min(BLOCK_SAMPLES, max(1, len(samples)))
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    powers: NDArray[np.float32] = np.einsum("ij,ij->i", blocks, blocks)
    return powers.astype(np.float64) / size


def _loud_power(powers: NDArray[np.float64]) -> float:
    """Power of the loud blocks; 0 for silence."""
    if not len(powers):
        return 0.0
    rank = int(_LOUD_PERCENTILE * (len(powers) - 1))
    return float(np.partition(powers, rank)[rank])


def _to_db(power: float) -> float:
    return 10.0 * float(np.log10(power))
