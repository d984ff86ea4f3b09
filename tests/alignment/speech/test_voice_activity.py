import numpy as np
import pytest

from alignment.audio import decode_audio
from alignment.speech.voice_activity import VoiceActivityDetector
from tests.builders import noise, speech, tone


@pytest.fixture(scope="module")
def detector() -> VoiceActivityDetector:
    return VoiceActivityDetector()


def test_two_sentences_are_two_segments(detector: VoiceActivityDetector) -> None:
    first, second = detector.detect(decode_audio(speech("garden")).samples)
    # The synthesiser speaks from 0.25 s and from 3.71 s.
    assert first.start_s == pytest.approx(0.05, abs=0.15)
    assert first.end_s < second.start_s
    assert second.start_s == pytest.approx(3.51, abs=0.15)


@pytest.mark.parametrize("sound", [noise(3.0), tone(3.0, 50), tone(3.0, 440), np.zeros(48_000, np.float32)])
def test_noise_tones_and_silence_are_not_speech(detector: VoiceActivityDetector, sound: np.ndarray) -> None:
    assert detector.detect(sound) == ()


def test_result_does_not_depend_on_earlier_recordings(detector: VoiceActivityDetector) -> None:
    samples = decode_audio(speech("numbers")).samples
    before = detector.probabilities(samples)
    detector.probabilities(noise(1.0))
    np.testing.assert_array_equal(detector.probabilities(samples), before)


def test_speech_without_pauses_is_split(detector: VoiceActivityDetector) -> None:
    samples = decode_audio(speech("numbers")).samples[4_000:52_000]
    segments = detector.detect(np.tile(samples, 15))
    assert len(segments) >= 3
    assert all(segment.end_s - segment.start_s <= 15.0 for segment in segments)
    for before, after in zip(segments, segments[1:], strict=False):
        assert before.end_s <= after.start_s


def test_audio_shorter_than_a_step(detector: VoiceActivityDetector) -> None:
    assert detector.detect(noise(0.01)) == ()


def test_acted_clips_are_detected(detector: VoiceActivityDetector, ravdess) -> None:  # type: ignore[no-untyped-def]
    """Including shouts, which Silero alone misses."""
    shouted = [ravdess / "Actor_06" / f"03-01-{code}-06.flac" for code in ("03-02-02-01", "05-02-02-02", "06-02-02-02")]
    for path in shouted:
        segments = detector.detect(decode_audio(path.read_bytes()).samples)
        assert sum(segment.end_s - segment.start_s for segment in segments) > 0.8, path.name
