import numpy as np
import pytest

from alignment.aligners.moonshine.model_files import find_model_files
from alignment.aligners.moonshine.recogniser import MoonshineRecogniser, find_loop
from alignment.audio import decode_audio
from tests.builders import noise, speech


@pytest.fixture(scope="module")
def recogniser() -> MoonshineRecogniser:
    return MoonshineRecogniser(find_model_files())


def test_states_are_one_per_24_ms(recogniser: MoonshineRecogniser) -> None:
    samples = decode_audio(speech("numbers")).samples
    states = recogniser.encode(samples)
    assert states.shape == (pytest.approx(len(samples) / 384, abs=2), 288)
    assert np.isfinite(states).all()


@pytest.mark.parametrize("count", [1, 160, 1_600])
def test_shortest_sounds_are_recognised(recogniser: MoonshineRecogniser, count: int) -> None:
    states = recogniser.encode(noise(1.0)[:count])
    assert recogniser.decode(states, count).token_count <= 6


def test_text_is_written_with_the_probability_of_its_words(recogniser: MoonshineRecogniser) -> None:
    samples = decode_audio(speech("numbers")).samples
    text = recogniser.decode(recogniser.encode(samples), len(samples))
    assert " ".join(text.words) == "She paid forty-two dollars for the old book."
    assert all(0.5 < score <= 1 for score in text.scores)
    assert -0.2 < text.certainty < 0


def test_noise_gives_an_uncertain_text(recogniser: MoonshineRecogniser) -> None:
    samples = noise(3.0)
    assert recogniser.decode(recogniser.encode(samples), len(samples)).certainty < -1


def test_number_of_tokens_is_limited_by_the_duration(recogniser: MoonshineRecogniser) -> None:
    samples = decode_audio(speech("garden")).samples
    states = recogniser.encode(samples[:16_000])
    assert recogniser.decode(np.roll(states, 20, axis=0), 16_000).token_count <= 12


@pytest.mark.parametrize(
    ("tokens", "kept"),
    [
        ([5, 6, 7, 8], 0),
        ([9, *[4] * 5], 0),
        ([9, *[4] * 12], 2),
        ([9, 8, *[1, 2, 3] * 4], 5),
        ([9, 8, *[1, 2, 3] * 3], 0),
        ([*[1, 2, 3] * 4, 7], 0),
    ],
)
def test_loop_is_found_at_the_end(tokens: list[int], kept: int) -> None:
    assert find_loop(tokens) == kept
