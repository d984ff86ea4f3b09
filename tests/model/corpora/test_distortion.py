"""Changes of recordings keep the time of the words and have the stated size."""

import numpy as np
import pytest
from scipy.signal import correlate

from alignment.audio import decode_audio
from alignment.level import active_level_db
from alignment.quality import find_band_edge
from model.corpora.distortion import Samples, add_noise, add_room, distort, encode_and_decode, over_telephone
from tests.builders import speech


@pytest.fixture(scope="module")
def clean() -> Samples:
    return decode_audio(speech("numbers")).samples


def lag(samples: Samples, clean: Samples) -> int:
    return int(np.abs(correlate(samples, clean, mode="full", method="fft")).argmax()) - len(clean) + 1


@pytest.mark.parametrize("change", ["mp3", "opus", "telephone", "narrow telephone", "noise", "room"])
def test_change_keeps_length_and_time(change: str, clean: Samples) -> None:
    rng = np.random.default_rng(0)
    changed = {
        "mp3": lambda: encode_and_decode(clean, "mp3", 0.9),
        "opus": lambda: encode_and_decode(clean, "opus", 0.9),
        "telephone": lambda: over_telephone(clean, narrow=False),
        "narrow telephone": lambda: over_telephone(clean, narrow=True),
        "noise": lambda: add_noise(clean, 10.0, 1.0, rng),
        "room": lambda: add_room(clean, 0.3, 3.0, rng),
    }[change]()
    assert len(changed) == len(clean)
    assert abs(lag(changed, clean)) <= 16
    assert not np.allclose(changed, clean, atol=1e-4)


def test_telephone_ends_at_4_khz(clean: Samples) -> None:
    assert find_band_edge(clean) is None
    assert find_band_edge(over_telephone(clean, narrow=False)) == pytest.approx(4_000, abs=300)


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_noise_has_the_stated_level(slope: float, clean: Samples) -> None:
    noise = add_noise(clean, 12.0, slope, np.random.default_rng(0)) - clean
    assert 20 * np.log10(noise.std()) == pytest.approx(active_level_db(clean) - 12.0, abs=0.2)


def test_random_change_is_reproducible_and_divides_the_duration_by_its_speed(clean: Samples) -> None:
    for seed in range(12):
        first, second = (distort(clean, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first.samples, second.samples)
        assert len(first.samples) == pytest.approx(len(clean) / first.speed, abs=2)
        assert np.isfinite(first.samples).all()
