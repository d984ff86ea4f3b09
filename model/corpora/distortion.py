"""Random changes of clean recordings, as on their way to a service: room, noise, telephone, codec, speed, level.

Serving uses none of this; training on such copies makes the weights independent of the recording's way.

Source: Ko et al. 2015, "Audio Augmentation for Speech Recognition", Interspeech (speed); Ko et al. 2017, "A Study on
Data Augmentation of Reverberant Speech for Robust Speech Recognition", ICASSP (synthetic rooms).
"""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

from alignment.level import active_level_db
from alignment.timing import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]
_TELEPHONE_HZ: Final = 8_000
_TELEPHONE_BAND_HZ: Final = (300.0, 3_400.0)
_PEAK: Final = 0.95


@dataclass(frozen=True, slots=True)
class Distorted:
    """A changed recording.

    Attributes:
        samples: (samples,) float32 at 16 kHz.
        speed: Factor by which it is faster; times of words are divided by it.
    """

    samples: Samples
    speed: float


def distort(samples: Samples, rng: np.random.Generator) -> Distorted:
    """Change a recording in a random way.

    Args:
        samples: (samples,) float32 at 16 kHz, clean speech.
        rng: Random number generator.
    """
    speed = float(rng.uniform(0.85, 1.15)) if rng.random() < 0.7 else 1.0
    if speed != 1.0:
        samples = soxr.resample(samples, SAMPLE_RATE_HZ * speed, SAMPLE_RATE_HZ)
    if rng.random() < 0.3:
        samples = add_room(samples, float(rng.uniform(0.15, 0.7)), float(rng.uniform(-3.0, 12.0)), rng)
    if rng.random() < 0.5:
        samples = add_noise(samples, float(rng.uniform(5.0, 30.0)), float(rng.uniform(0.0, 2.0)), rng)
    samples = set_peak(samples, float(rng.uniform(0.05, _PEAK)))
    way = rng.random()
    if way < 0.35:
        samples = over_telephone(samples, narrow=bool(rng.random() < 0.5))
    elif way < 0.5:
        samples = encode_and_decode(samples, "mp3" if rng.random() < 0.5 else "opus", float(rng.uniform(0.3, 0.99)))
    return Distorted(np.asarray(samples, np.float32), speed)


def add_noise(samples: Samples, snr_db: float, slope: float, rng: np.random.Generator) -> Samples:
    """Add noise whose power falls with frequency to the power of `slope`: 0 is white, 1 pink, 2 brown.

    Args:
        samples: (samples,) float32 at 16 kHz.
        snr_db: Level of the speech above the noise.
        slope: Exponent of the spectrum.
        rng: Random number generator.
    """
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    frequency = np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ), 20.0)
    noise = np.fft.irfft(spectrum * frequency ** (-slope / 2), len(samples))
    level = 10 ** ((active_level_db(samples) - snr_db) / 20)
    noisy: Samples = (samples + noise * (level / noise.std())).astype(np.float32)
    return noisy


def add_room(samples: Samples, decay_s: float, direct_db: float, rng: np.random.Generator) -> Samples:
    """Add the reverberation of a synthetic room; the direct sound keeps its place.

    Args:
        samples: (samples,) float32 at 16 kHz.
        decay_s: Time in which the reverberation falls by 60 dB.
        direct_db: Level of the direct sound above the reverberation.
        rng: Random number generator.
    """
    time_s = np.arange(1, int(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / decay_s)
    tail *= 10 ** (-direct_db / 20) / np.sqrt((tail**2).sum())
    reverberant: Samples = fftconvolve(samples, np.concatenate(([1.0], tail)))[: len(samples)].astype(np.float32)
    return reverberant


def over_telephone(samples: Samples, *, narrow: bool) -> Samples:
    """Reduce to 8 kHz and mu-law (G.711); `narrow` also removes what is under 300 and over 3400 Hz."""
    low = soxr.resample(samples, SAMPLE_RATE_HZ, _TELEPHONE_HZ)
    if narrow:
        low = sosfilt(butter(4, _TELEPHONE_BAND_HZ, "bandpass", fs=_TELEPHONE_HZ, output="sos"), low)
    decoded, _ = _through_file(low, _TELEPHONE_HZ, "WAV", "ULAW")
    return _fit(soxr.resample(decoded, _TELEPHONE_HZ, SAMPLE_RATE_HZ), len(samples))


def encode_and_decode(samples: Samples, codec: str, compression: float) -> Samples:
    """Compress by a lossy codec.

    Args:
        samples: (samples,) float32 at 16 kHz.
        codec: "mp3" or "opus".
        compression: From 0, the best quality, to under 1, the smallest file.
    """
    container, subtype = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS")}[codec]
    decoded, rate_hz = _through_file(samples, SAMPLE_RATE_HZ, container, subtype, compression)
    if rate_hz != SAMPLE_RATE_HZ:
        decoded = soxr.resample(decoded, rate_hz, SAMPLE_RATE_HZ)
    return _fit(decoded, len(samples))


def set_peak(samples: Samples, peak: float) -> Samples:
    """Scale to a peak."""
    scaled: Samples = samples * np.float32(peak / max(float(np.abs(samples).max(initial=0.0)), 1e-9))
    return scaled


def _through_file(
    samples: Samples, rate_hz: int, container: str, subtype: str, compression: float | None = None
) -> tuple[Samples, int]:
    """Write a file in memory and read it again."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=container, subtype=subtype, compression_level=compression)
    file.seek(0)
    decoded, decoded_hz = soundfile.read(file, dtype="float32")
    return decoded, decoded_hz


def _fit(samples: Samples, count: int) -> Samples:
    """First `count` samples, with zeros where there are fewer."""
    return np.pad(samples[:count], (0, max(0, count - len(samples)))).astype(np.float32)
