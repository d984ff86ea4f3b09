"""Mel-frequency cepstral coefficients of many segments at once.

librosa gives the definition (filter bank, decibels, orthonormal DCT-II); it is computed here because librosa takes one
signal per call, a call costs more than a word, and librosa needs 260 MB of packages. A test checks that both are equal.

Source: Lee, Yoon, Jung 2020, Sections 3.1.2 and 4.2: 40 coefficients, Hamming window of 25 ms, hop of 10 ms.
Deviations: frames are not centred, so that up to 10 ms at the end of a segment are in no frame; pre-emphasis, which the
paper does not mention, is off by default.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.timing import SAMPLE_RATE_HZ

# Such blocks fit into the cache, and their memory is not returned to the system each time.
_FFT_BLOCK_FRAMES: Final = 128
_POWER_FLOOR: Final = 1e-10
# Slaney's mel scale: 15 mel at 1 kHz, then 27 mel per factor of 6.4.
_LOG_START_HZ: Final = 1_000.0
_LOG_START_MEL: Final = 15.0
_LOG_STEP: Final = float(np.log(6.4)) / 27


@dataclass(frozen=True, slots=True)
class MfccConfig:
    """Parameters of the coefficients.

    Attributes:
        n_mfcc: Number of coefficients, c0 included.
        n_mels: Number of Slaney mel bands from 0 to 8 kHz.
        window_samples: Length of the periodic Hamming window, centred in the FFT.
        hop_samples: Distance between frames.
        n_fft: FFT length.
        pre_emphasis: y[t] = x[t] − pre_emphasis · x[t−1], once over the utterance, the first sample kept; 0 for none.
    """

    n_mfcc: int = 40
    n_mels: int = 40
    window_samples: int = 400
    hop_samples: int = 160
    n_fft: int = 512
    pre_emphasis: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.n_mfcc <= self.n_mels:
            raise ValueError(f"n_mfcc must be 1 or more and at most n_mels, which is {self.n_mels}")
        if not 1 <= self.hop_samples <= self.window_samples <= self.n_fft:
            raise ValueError("1 ≤ hop_samples ≤ window_samples ≤ n_fft must hold")


@dataclass(frozen=True, slots=True, eq=False)
class Bases:
    """Window, filter bank and transform of the coefficients.

    Attributes:
        window: (window,) float32.
        mel_bank: (bins, n_mels) float32.
        dct: (n_mels, n_mfcc) float32, orthonormal DCT-II.
    """

    window: NDArray[np.float32]
    mel_bank: NDArray[np.float32]
    dct: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SegmentFrames:
    """Coefficients of all segments of an utterance, concatenated without padding.

    Attributes:
        frames: (frames, n_mfcc) float32, decibels; segment 0's frames first.
        frame_counts: (segments,) int64, at least 1 each; they sum to the length of `frames`.
    """

    frames: NDArray[np.float32]
    frame_counts: NDArray[np.int64]


def compute_mfcc(samples: NDArray[np.float32], bounds: NDArray[np.int64], config: MfccConfig) -> SegmentFrames:
    """Compute the MFCC of every segment of one utterance.

    A segment of N samples has 1 + ⌊(N − 400) / 160⌋ frames; one shorter than a window is zero-padded to one frame.
    Decibels are absolute (no `top_db`): relative ones would make a segment depend on where its neighbour was cut.

    Args:
        samples: (samples,) float32 at 16 kHz, the utterance.
        bounds: (segments, 2) start and end in samples, within the utterance.
        config: Parameters of the coefficients.

    Returns:
        Result of `librosa.feature.mfcc(S=librosa.power_to_db(librosa.feature.melspectrogram(…), top_db=None))` for
        each segment alone, within 1e-3 dB.
    """
    lengths = bounds[:, 1] - bounds[:, 0]
    counts = 1 + np.maximum(0, lengths - config.window_samples) // config.hop_samples
    total = int(counts.sum())
    offsets = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.repeat(bounds[:, 0], counts) + offsets * config.hop_samples
    valid_samples = np.repeat(np.minimum(lengths, config.window_samples), counts)
    return SegmentFrames(_compute_frames(samples, starts, valid_samples, config), counts)


def compute_frames(samples: NDArray[np.float32], starts: NDArray[np.int64], config: MfccConfig) -> NDArray[np.float32]:
    """Compute the MFCC of single frames.

    Args:
        samples: (samples,) float32 at 16 kHz, the utterance; what a window reads after its end counts as zero.
        starts: (frames,) first sample of each window, within the utterance.
        config: Parameters of the coefficients; the hop is not used.

    Returns:
        (frames, n_mfcc) float32, decibels.
    """
    return _compute_frames(samples, starts, np.full(len(starts), config.window_samples), config)


def _compute_frames(
    samples: NDArray[np.float32], starts: NDArray[np.int64], valid_samples: NDArray[np.int64], config: MfccConfig
) -> NDArray[np.float32]:
    emphasised = _pad_end(_pre_emphasise(samples, config.pre_emphasis), config.window_samples)
    windows = np.lib.stride_tricks.sliding_window_view(emphasised, config.window_samples)
    frames = np.empty((len(starts), config.n_mfcc), np.float32)
    for first in range(0, len(starts), _FFT_BLOCK_FRAMES):
        block = slice(first, first + _FFT_BLOCK_FRAMES)
        frames[block] = _cepstra(windows[starts[block]], valid_samples[block], config)
    return frames


def _pre_emphasise(samples: NDArray[np.float32], coefficient: float) -> NDArray[np.float32]:
    emphasised = samples.copy()
    emphasised[1:] -= np.float32(coefficient) * samples[:-1]
    return emphasised


def _pad_end(samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return np.concatenate((samples, np.zeros(count, np.float32)))


def _cepstra(windows: NDArray[np.float32], valid_samples: NDArray[np.int64], config: MfccConfig) -> NDArray[np.float32]:
    """(frames, window) samples → (frames, n_mfcc) coefficients."""
    # numpy's rfft transforms frame by frame, scipy's several frames at once.
    from scipy.fft import rfft  # slow to import

    bases = compute_bases(config)
    shaped = windows * bases.window
    short = valid_samples < config.window_samples
    if short.any():
        shaped[short] *= np.arange(config.window_samples) < valid_samples[short, None]
    # The position of the window inside the FFT changes phases only, so padding at the end is equal to centring.
    spectrum = rfft(shaped, n=config.n_fft)
    power = spectrum.real**2 + spectrum.imag**2
    decibels = 10.0 * np.log10(np.maximum(power @ bases.mel_bank, _POWER_FLOOR))
    cepstra: NDArray[np.float32] = (decibels @ bases.dct).astype(np.float32, copy=False)
    return cepstra


@lru_cache(maxsize=8)
def compute_bases(config: MfccConfig) -> Bases:
    """Window, mel bank and DCT as librosa and scipy define them."""
    from scipy.fft import dct  # slow to import

    # The periodic window is the symmetric one of one more sample, without its last sample.
    window = np.hamming(config.window_samples + 1)[:-1]
    basis = dct(np.eye(config.n_mels), type=2, norm="ortho", axis=1)[:, : config.n_mfcc]
    mel_bank = compute_mel_bank(config.n_mels, config.n_fft)
    return Bases(window.astype(np.float32), mel_bank.astype(np.float32), basis.astype(np.float32))


def compute_mel_bank(n_mels: int, n_fft: int) -> NDArray[np.float64]:
    """Triangular filters of area 1 from 0 Hz to half the sampling rate, equally spaced in mel.

    Returns:
        (n_fft / 2 + 1, n_mels).

    Source: Slaney 1998, "Auditory Toolbox", technical report 1998-010, Interval Research.
    """
    bins_hz = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE_HZ)
    edges_hz = _mel_to_hz(np.linspace(0.0, _hz_to_mel(SAMPLE_RATE_HZ / 2), n_mels + 2))
    widths_hz = np.diff(edges_hz)
    distances_hz = bins_hz[:, None] - edges_hz
    rising, falling = distances_hz[:, :-2] / widths_hz[:-1], -distances_hz[:, 2:] / widths_hz[1:]
    areas_hz = (edges_hz[2:] - edges_hz[:-2]) / 2
    bank: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling)) / areas_hz
    return bank


def _hz_to_mel(frequency_hz: float) -> float:
    """Slaney's mel of a frequency of at least 1 kHz."""
    return _LOG_START_MEL + float(np.log(frequency_hz / _LOG_START_HZ)) / _LOG_STEP


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear up to 1 kHz, exponential above."""
    above = np.maximum(mel - _LOG_START_MEL, 0.0)
    return np.where(above > 0, _LOG_START_HZ * np.exp(_LOG_STEP * above), mel * _LOG_START_HZ / _LOG_START_MEL)
