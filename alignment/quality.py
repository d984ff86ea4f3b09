"""Properties of a sound that make its scores less reliable: band, noise, level."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.level import active_level_db, estimate_snr_db
from alignment.timing import SAMPLE_RATE_HZ

TELEPHONE_HZ: Final = 5_000
NARROW_HZ: Final = 6_000
_FRAME_SAMPLES: Final = 512
_BIN_HZ: Final = SAMPLE_RATE_HZ / _FRAME_SAMPLES
_LOUD_RATIO: Final = 1e-3
_LOWEST_EDGE_HZ: Final = 2_900
_SPEECH_HZ: Final = (200, 3_000)
_BELOW_BINS: Final = 13
_EDGE_BINS: Final = 8
_DROP_DB: Final = 20.0
_DEPTH_DB: Final = 35.0
_POWER_FLOOR: Final = 1e-20
_WINDOW: Final = np.hanning(_FRAME_SAMPLES).astype(np.float32)


@dataclass(frozen=True, slots=True)
class SoundQuality:
    """Measured properties of a sound.

    Attributes:
        level_db: Level of the spoken part relative to full scale, see `active_level_db`; -inf for silence.
        snr_db: Estimated signal-to-noise ratio, see `estimate_snr_db`.
        band_hz: Upper edge of a band that is narrower than that of speech (6 kHz or less); None for a full band.
    """

    level_db: float
    snr_db: float
    band_hz: float | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Messages for the response."""
        if self.band_hz is None:
            return ()
        telephone = ", as over a telephone" if self.band_hz <= TELEPHONE_HZ else ""
        return (
            f"the band of the sound ends at {self.band_hz / 1000:.1f} kHz{telephone}; the scores are less reliable",
        )


def measure_quality(samples: NDArray[np.float32], source_rate_hz: int = SAMPLE_RATE_HZ) -> SoundQuality:
    """Measure level, noise and band; takes about a millisecond for 5 s.

    Args:
        samples: (samples,) float32 at 16 kHz, without a constant offset.
        source_rate_hz: Sample rate of the file; its half bounds the band.
    """
    return SoundQuality(active_level_db(samples), estimate_snr_db(samples), find_band_edge(samples, source_rate_hz))


def find_band_edge(samples: NDArray[np.float32], source_rate_hz: int = SAMPLE_RATE_HZ) -> float | None:
    """Upper edge in Hz of a band that a telephone, a codec or a low sample rate limits; None for a full band.

    Speech loses level gradually towards high frequencies; a limited band ends at a wall. A wall is an edge above which
    the average spectrum of the loud frames stays 20 dB below the 400 Hz before it, and 35 dB below speech. In a trial
    none of the clips of RAVDESS and nEMO had one, and all clips converted to 8 kHz had, also after mu-law, GSM and a
    second lossy codec; tests/alignment/test_quality.py repeats it on some of them. Linear interpolation from 8 kHz
    mirrors the band and leaves none.

    Args:
        samples: See `measure_quality`.
        source_rate_hz: See `measure_quality`.
    """
    if source_rate_hz <= 2 * NARROW_HZ:
        return source_rate_hz / 2
    spectrum_db = _average_spectrum_db(samples)
    if spectrum_db is None:
        return None
    # (bins,) strongest level at or above each frequency.
    rest_db = np.maximum.accumulate(spectrum_db[::-1])[::-1]
    edges = np.arange(_to_bin(_LOWEST_EDGE_HZ), _to_bin(NARROW_HZ) + 1)
    below_db = np.convolve(spectrum_db, np.full(_BELOW_BINS, 1 / _BELOW_BINS))[edges]
    above_db = rest_db[edges + _EDGE_BINS]
    best = int((below_db - above_db).argmax())
    speech_db = spectrum_db[_to_bin(_SPEECH_HZ[0]) : _to_bin(_SPEECH_HZ[1])].max()
    if below_db[best] - above_db[best] < _DROP_DB or speech_db - above_db[best] < _DEPTH_DB:
        return None
    middle_db = (below_db[best] + above_db[best]) / 2
    return float(np.flatnonzero(rest_db >= middle_db)[-1] * _BIN_HZ)


def _average_spectrum_db(samples: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """(bins,) power in dB, smoothed over 3 bins, averaged over the loud frames; None where there is no loud frame."""
    frames = samples[: len(samples) // _FRAME_SAMPLES * _FRAME_SAMPLES].reshape(-1, _FRAME_SAMPLES)
    powers = np.einsum("ij,ij->i", frames, frames)
    loudest = powers.max(initial=0.0)
    if not loudest:
        return None
    spectra = np.fft.rfft(frames[powers >= _LOUD_RATIO * loudest] * _WINDOW)
    power = (spectra.real**2 + spectra.imag**2).mean(axis=0)
    smooth = np.convolve(power, np.full(3, 1 / 3), "same")
    spectrum_db: NDArray[np.float32] = 10 * np.log10(smooth + _POWER_FLOOR)
    return spectrum_db


def _to_bin(frequency_hz: float) -> int:
    return round(frequency_hz / _BIN_HZ)
