from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from alignment.aligners.moonshine.attempts import is_spoken, recognise_repeatedly
from alignment.aligners.moonshine.recogniser import MoonshineRecogniser, RecognisedText
from alignment.speech.voice_activity import VoiceActivityDetector
from tests.builders import noise

SOUND = noise(1.0)
WIDER = noise(2.0)


def text_of(words: str, certainty: float, tokens: int = 0) -> RecognisedText:
    said = tuple(words.split())
    return RecognisedText(said, (1.0,) * len(said), certainty, tokens or len(said))


class ScriptedRecogniser:
    """Recogniser whose results are given; it notes the length of each sound."""

    def __init__(self, *results: RecognisedText) -> None:
        self._results = iter(results)
        self.lengths: list[int] = []

    def encode(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        self.lengths.append(len(samples))
        return samples[:, None]

    def decode(self, states: NDArray[np.float32], sample_count: int) -> RecognisedText:
        assert sample_count == len(states)
        return next(self._results)


class FixedDetector:
    """Detector with a number of voiced steps of 32 ms."""

    def __init__(self, voiced_steps: int) -> None:
        self._probabilities = np.repeat([0.9, 0.1], [voiced_steps, 50])

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._probabilities


def attempt(recogniser: ScriptedRecogniser, first: RecognisedText) -> RecognisedText:
    return recognise_repeatedly(cast("MoonshineRecogniser", recogniser), first, SOUND, WIDER)


def test_certain_text_needs_no_further_attempt() -> None:
    recogniser = ScriptedRecogniser()
    first = text_of("dogs are sitting", -0.1)
    assert attempt(recogniser, first) is first
    assert recogniser.lengths == []


def test_attempts_end_with_a_certain_text() -> None:
    better = text_of("dogs are sitting", -0.15)
    recogniser = ScriptedRecogniser(better)
    assert attempt(recogniser, text_of("talks are sitting", -0.5)) is better
    assert recogniser.lengths == [len(WIDER)]


def test_long_stretch_has_one_attempt() -> None:
    recogniser = ScriptedRecogniser()
    first = text_of("dogs are sitting", -0.5)
    long = noise(11.0)
    assert recognise_repeatedly(cast("MoonshineRecogniser", recogniser), first, long, long) is first


def test_most_certain_text_is_taken_from_wider_and_slower_sound() -> None:
    results = [text_of("a", -0.8), text_of("b", -0.4), text_of("c", -0.6)]
    recogniser = ScriptedRecogniser(*results)
    assert attempt(recogniser, text_of("d", -0.7)) is results[1]
    assert recogniser.lengths == [
        len(WIDER),
        pytest.approx(1.05 * len(SOUND), abs=1),
        pytest.approx(1.2 * len(SOUND), abs=1),
    ]


@pytest.mark.parametrize(
    ("text", "voiced_steps", "spoken"),
    [
        (text_of("dogs are sitting by the door", -0.25), 0, True),
        (text_of("dogs are sitting by the door", -0.6), 0, False),
        (text_of("dogs are", -0.25), 0, False),
        (text_of("dogs are", -0.25), 7, True),
        (text_of("dogs are sitting by the door", -0.8), 7, True),
        (text_of("dogs are sitting by the door", -1.2), 50, False),
        (text_of("You", -0.1), 7, False),
        (text_of("Thank you.", -0.1), 12, True),
        (text_of("Thank you for watching!", -0.5), 50, False),
        (text_of("transcript Emily Beynon", -0.1, tokens=9), 50, False),
    ],
)
def test_invented_text_is_rejected(text: RecognisedText, voiced_steps: int, spoken: bool) -> None:
    assert is_spoken(text, SOUND, cast("VoiceActivityDetector", FixedDetector(voiced_steps))) is spoken
