import librosa
import numpy as np
import pytest
from numpy.typing import NDArray

from alignment.audio import decode_audio
from alignment.features.mfcc import MfccConfig, compute_bases, compute_mel_bank, compute_mfcc
from tests.builders import noise, speech, tone

# Float32 sums of 257 products in another order than librosa's; decibels of near-silence magnify the difference.
TOLERANCE_DB = 1e-3


def librosa_mfcc(segment: NDArray[np.float32], n_mels: int = 40) -> NDArray[np.float64]:
    """Reference implementation, for one segment."""
    padded = np.pad(segment, (0, max(0, 400 - len(segment)))).astype(np.float64)
    power = librosa.feature.melspectrogram(
        y=np.pad(padded, 56),
        sr=16_000,
        n_fft=512,
        win_length=400,
        hop_length=160,
        window="hamming",
        center=False,
        n_mels=n_mels,
        power=2.0,
    )
    cepstra: NDArray[np.float64] = librosa.feature.mfcc(S=librosa.power_to_db(power, top_db=None), n_mfcc=40).T
    return cepstra


def emphasise(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate((samples[:1], samples[1:] - np.float32(0.97) * samples[:-1]))


@pytest.mark.parametrize("name", ["noise", "tone", "speech"])
@pytest.mark.parametrize("n_mels", [40, 128])
def test_mfcc_equal_librosa_segment_by_segment(name: str, n_mels: int) -> None:
    samples = {"noise": noise(3.0), "tone": tone(3.0), "speech": decode_audio(speech("numbers")).samples[:48_000]}[name]
    bounds = np.array([[0, 9_000], [8_550, 9_450], [9_000, 9_400], [9_400, 9_790], [20_000, 20_100], [20_100, 48_000]])
    found = compute_mfcc(samples, bounds, MfccConfig(n_mels=n_mels, pre_emphasis=0.97))
    emphasised = emphasise(samples)
    expected = [librosa_mfcc(emphasised[start:end], n_mels) for start, end in bounds]
    assert found.frame_counts.tolist() == [len(part) for part in expected]
    np.testing.assert_allclose(found.frames, np.concatenate(expected), atol=TOLERANCE_DB)


@pytest.mark.parametrize(("n_mels", "n_fft"), [(40, 512), (26, 400), (128, 2_048)])
def test_mel_bank_equals_librosa(n_mels: int, n_fft: int) -> None:
    expected = librosa.filters.mel(sr=16_000, n_fft=n_fft, n_mels=n_mels, htk=False, norm="slaney").T
    np.testing.assert_allclose(compute_mel_bank(n_mels, n_fft), expected, atol=1e-7)


def test_window_equals_librosa() -> None:
    expected = librosa.filters.get_window("hamming", 400, fftbins=True)
    np.testing.assert_allclose(compute_bases(MfccConfig()).window, expected, atol=1e-7)


def test_mfcc_without_pre_emphasis() -> None:
    samples = noise(1.0)
    found = compute_mfcc(samples, np.array([[0, 16_000]]), MfccConfig())
    np.testing.assert_allclose(found.frames, librosa_mfcc(samples), atol=TOLERANCE_DB)


@pytest.mark.parametrize(("length", "frames"), [(0, 1), (1, 1), (400, 1), (559, 1), (560, 2), (16_000, 98)])
def test_number_of_frames(length: int, frames: int) -> None:
    found = compute_mfcc(noise(1.0), np.array([[0, length]]), MfccConfig())
    assert found.frame_counts.tolist() == [frames]


def test_segment_does_not_depend_on_its_neighbours() -> None:
    samples = noise(2.0)
    together = compute_mfcc(samples, np.array([[0, 5_000], [4_800, 20_000], [19_000, 32_000]]), MfccConfig())
    alone = compute_mfcc(samples, np.array([[4_800, 20_000]]), MfccConfig())
    first = together.frame_counts[0]
    np.testing.assert_allclose(together.frames[first : first + together.frame_counts[1]], alone.frames, atol=1e-4)


def test_frames_of_several_blocks() -> None:
    samples = noise(100.0)
    whole = compute_mfcc(samples, np.array([[0, len(samples)]]), MfccConfig())
    late = compute_mfcc(samples, np.array([[160 * 9_000, len(samples)]]), MfccConfig())
    np.testing.assert_allclose(whole.frames[9_000:], late.frames, atol=1e-4)


def test_loudness_changes_the_first_coefficient_only() -> None:
    quiet, loud = (
        compute_mfcc(noise(1.0) * gain, np.array([[0, 16_000]]), MfccConfig()).frames
        for gain in (np.float32(1), np.float32(2))
    )
    difference = (loud - quiet).mean(axis=0)
    assert difference[0] == pytest.approx(20 * np.log10(2) * np.sqrt(40), abs=1e-2)
    np.testing.assert_allclose(difference[1:], 0, atol=1e-2)
