from pathlib import Path

import numpy as np
import pytest

from alignment.audio import decode_audio
from alignment.level import active_level_db, estimate_snr_db, normalise_level
from tests.builders import noise, speech, tone

CLIPS = ("garden", "numbers")


def silence(duration_s: float) -> np.ndarray:
    return np.zeros(round(16_000 * duration_s), np.float32)


def test_level_of_a_tone_is_its_power() -> None:
    """A sine at half of full scale has a mean square of 1/8."""
    assert active_level_db(tone(1.0)) == pytest.approx(10 * np.log10(1 / 8), abs=0.01)


def test_pauses_do_not_lower_the_level() -> None:
    parts = [tone(1.0), silence(3.0), 1e-3 * tone(1.0)]
    assert active_level_db(np.concatenate(parts)) == pytest.approx(active_level_db(tone(1.0)), abs=0.1)


@pytest.mark.parametrize("gain_db", [-20, -10, 10])
@pytest.mark.parametrize("clip", CLIPS)
def test_normalised_sound_does_not_depend_on_its_level(clip: str, gain_db: float) -> None:
    samples = decode_audio(speech(clip)).samples
    changed = samples * np.float32(10 ** (gain_db / 20))
    np.testing.assert_allclose(normalise_level(changed), normalise_level(samples), atol=1e-6)


@pytest.mark.parametrize("level_db", [-26.0, -20.0])
def test_normalised_sound_has_the_level(level_db: float) -> None:
    normalised = normalise_level(decode_audio(speech("garden")).samples, level_db)
    assert active_level_db(normalised) == pytest.approx(level_db, abs=0.01)
    assert normalised.dtype == np.float32


def test_gain_is_limited_to_60_db() -> None:
    faint = 1e-5 * tone(1.0)
    np.testing.assert_allclose(normalise_level(faint), 1_000 * faint, rtol=1e-5)


@pytest.mark.parametrize("samples", [silence(1.0), silence(0.0)])
def test_silence_has_no_level_and_is_returned(samples: np.ndarray) -> None:
    assert active_level_db(samples) == float("-inf")
    assert estimate_snr_db(samples) == -10.0
    np.testing.assert_array_equal(normalise_level(samples), samples)


def test_sound_shorter_than_a_block_has_a_level() -> None:
    assert active_level_db(np.full(100, 0.1, np.float32)) == pytest.approx(-20.0, abs=0.01)


def with_noise(samples: np.ndarray, snr_db: float) -> np.ndarray:
    """Sound with white noise below the level of its spoken part."""
    amplitude = 10 ** ((active_level_db(samples) - snr_db) / 20)
    noisy: np.ndarray = samples + np.float32(10 * amplitude) * noise(len(samples) / 16_000)
    return noisy


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("snr_db", [20, 10, 5])
def test_noise_is_measured(clip: str, snr_db: float) -> None:
    samples = decode_audio(speech(clip)).samples
    assert estimate_snr_db(with_noise(samples, snr_db)) == pytest.approx(snr_db, abs=5)


def test_digital_silence_is_no_background() -> None:
    noisy = with_noise(decode_audio(speech("garden")).samples, 10)
    padded = np.concatenate([silence(3.0), noisy, silence(3.0)])
    assert estimate_snr_db(padded) == pytest.approx(estimate_snr_db(noisy), abs=1)


def test_steady_sound_has_no_signal_above_its_background() -> None:
    assert estimate_snr_db(noise(3.0)) == -10.0


def test_noise_is_measured_in_acted_speech(ravdess: Path) -> None:
    for path in sorted(ravdess.glob("*/*.*"))[::20]:
        samples = decode_audio(path.read_bytes()).samples
        found = [estimate_snr_db(with_noise(samples, snr_db)) for snr_db in (20, 10, 5)]
        assert found == pytest.approx([20, 10, 5], abs=5)
        assert estimate_snr_db(samples) > 25 > found[0] > found[1] > found[2]
