import numpy as np
import pytest

from alignment.audio import decode_audio
from alignment.speech.voice_activity import VoiceActivityDetector
from tests.builders import noise, speech, tone


@pytest.fixture(scope="module")
def detector() -> VoiceActivityDetector:
    return VoiceActivityDetector()


def test_two_sentences_are_two_stretches(detector: VoiceActivityDetector) -> None:
    first, second = detector.detect(decode_audio(speech("garden")).samples)
    # The synthesiser speaks from 0.25 s and from 3.71 s.
    assert first.start_s == pytest.approx(0.05, abs=0.15)
    assert first.end_s < second.start_s
    assert second.start_s == pytest.approx(3.51, abs=0.15)


@pytest.mark.parametrize("sound", [noise(3.0), tone(3.0, 50), tone(3.0, 440), np.zeros(48_000, np.float32)])
def test_what_is_not_speech(detector: VoiceActivityDetector, sound: np.ndarray) -> None:
    assert detector.detect(sound) == ()


def test_nothing_of_one_recording_is_left_for_the_next(detector: VoiceActivityDetector) -> None:
    samples = decode_audio(speech("numbers")).samples
    before = detector.probabilities(samples)
    detector.probabilities(noise(1.0))
    np.testing.assert_array_equal(detector.probabilities(samples), before)


def test_speech_without_pauses_is_cut(detector: VoiceActivityDetector) -> None:
    samples = decode_audio(speech("numbers")).samples[4_000:52_000]
    stretches = detector.detect(np.tile(samples, 15))
    assert len(stretches) >= 3
    assert all(stretch.end_s - stretch.start_s <= 15.0 for stretch in stretches)
    for before, after in zip(stretches, stretches[1:], strict=False):
        assert before.end_s <= after.start_s


def test_less_than_a_step(detector: VoiceActivityDetector) -> None:
    assert detector.detect(noise(0.01)) == ()


def test_every_acted_clip_is_heard(detector: VoiceActivityDetector, ravdess) -> None:  # type: ignore[no-untyped-def]
    """Shouts too, which Silero alone misses."""
    shouted = [ravdess / "Actor_06" / f"03-01-{code}-06.flac" for code in ("03-02-02-01", "05-02-02-02", "06-02-02-02")]
    for path in shouted:
        stretches = detector.detect(decode_audio(path.read_bytes()).samples)
        assert sum(stretch.end_s - stretch.start_s for stretch in stretches) > 0.8, path.name
