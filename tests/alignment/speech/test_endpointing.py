from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from alignment.pcm import PcmDecoder
from alignment.speech.endpointing import (
    Endpointer,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from alignment.speech.loud_speech import LoudSpeech
from alignment.speech.voice_activity import STEP_SAMPLES, VoiceActivityDetector
from alignment.timing import SAMPLE_RATE_HZ
from tests.builders import SPEECH, noise
from tests.raw_audio import encode_raw

QUIET = noise(1.5) * 1e-3


@pytest.fixture(scope="module")
def sentence() -> NDArray[np.float32]:
    samples, _ = soundfile.read(SPEECH / "garden.flac", dtype="float32")
    return np.concatenate((QUIET, samples, QUIET))


def detect(samples: NDArray[np.float32], pieces: int) -> list[SpeechEvent]:
    endpointer = Endpointer(VoiceActivityDetector())
    events = [event for piece in np.array_split(samples, pieces) for event in endpointer.feed(piece)]
    return events + endpointer.finish()


def test_live_and_recorded_speech_have_the_same_bounds(sentence: NDArray[np.float32]) -> None:
    recorded = VoiceActivityDetector().detect(sentence)
    events = detect(sentence, 100)
    starts = [event.start_s for event in events if isinstance(event, SpeechStarted)]
    ends = [event.window.end_s for event in events if isinstance(event, SpeechEnded)]
    assert starts == pytest.approx([segment.start_s for segment in recorded], abs=0.05)
    assert ends == pytest.approx([segment.end_s for segment in recorded], abs=0.05)


def test_paused_and_ended_utterance_have_the_same_samples(sentence: NDArray[np.float32]) -> None:
    events = detect(sentence, 100)
    paused, ended = events[-2:]
    assert isinstance(paused, SpeechPaused)
    assert isinstance(ended, SpeechEnded)
    assert paused.window.start_s == ended.window.start_s
    np.testing.assert_array_equal(paused.window.samples, ended.window.samples)
    start = round(ended.window.start_s * SAMPLE_RATE_HZ)
    np.testing.assert_array_equal(ended.window.samples, sentence[start : start + len(ended.window.samples)])


def test_block_size_does_not_change_the_utterances(sentence: NDArray[np.float32]) -> None:
    spans = [
        [(type(e), e.window.start_s, e.window.end_s) for e in detect(sentence, n) if isinstance(e, SpeechEnded)]
        for n in (1, 7, 500)
    ]
    assert spans[0] == spans[1] == spans[2]


def test_short_pause_does_not_end_the_utterance() -> None:
    samples, _ = soundfile.read(SPEECH / "garden.flac", dtype="float32")
    short = noise(0.4) * 1e-3
    kinds = [type(event) for event in detect(np.concatenate((samples[:20_000], short, samples[20_000:], QUIET)), 50)]
    assert kinds[:5] == [SpeechStarted, SpeechPaused, SpeechResumed, SpeechPaused, SpeechEnded]
    assert kinds[5:] == [SpeechStarted, SpeechPaused, SpeechEnded]


def test_speech_without_pause_is_split() -> None:
    samples, _ = soundfile.read(SPEECH / "garden.flac", dtype="float32")
    voiced = samples[8_000:40_000]
    endless = np.tile(voiced, 14)[: 25 * SAMPLE_RATE_HZ]
    ended = [event.window for event in detect(endless, 60) if isinstance(event, SpeechEnded)]
    assert all(window.end_s - window.start_s <= 15.0 for window in ended)
    assert ended[-1].end_s > 24
    for before, after in zip(ended, ended[1:], strict=False):
        assert after.start_s >= before.end_s


def test_end_of_stream_ends_the_utterance() -> None:
    samples, _ = soundfile.read(SPEECH / "garden.flac", dtype="float32")
    events = detect(samples[:24_000], 10)
    assert isinstance(events[-1], SpeechEnded)
    assert events[-1].window.end_s == pytest.approx(1.5, abs=0.05)


def test_silence_gives_no_events_and_is_dropped() -> None:
    endpointer = Endpointer(VoiceActivityDetector())
    for _ in range(20):
        assert endpointer.feed(QUIET) == []
    assert endpointer.finish() == []
    assert endpointer.duration_s == 30.0
    assert len(endpointer._buffer) < SAMPLE_RATE_HZ


@pytest.mark.slow
def test_telephone_speech_has_the_utterances_of_a_recording(real_speech: Path) -> None:
    """On mu-law, Silero's probability stays under its threshold for the phrase "ask not", from 3.2 s on."""
    samples, rate_hz = soundfile.read(real_speech / "jfk.flac", dtype="float32")
    telephone = soxr.resample(samples, rate_hz, 8_000)
    decoded = PcmDecoder("mulaw", 8_000).decode(encode_raw(telephone, "mulaw", 8_000))
    resampled = soxr.resample(decoded, 8_000, SAMPLE_RATE_HZ)
    recorded = VoiceActivityDetector().detect(resampled)
    starts = [event.start_s for event in detect(resampled, 300) if isinstance(event, SpeechStarted)]
    assert len(starts) == 4
    assert starts == pytest.approx([segment.start_s for segment in recorded], abs=0.35)


class TestLoudSpeech:
    """Steps of a level, relative to full scale, and a probability."""

    @staticmethod
    def add(loud: LoudSpeech, level_db: float, probability: float, count: int = 1) -> bool:
        step = np.full(STEP_SAMPLES, 10 ** (level_db / 20), np.float32)
        return [loud.add(step, probability) for _ in range(count)][-1]

    def test_loud_sound_of_low_probability_is_speech_after_speech(self) -> None:
        loud = LoudSpeech()
        self.add(loud, -60, 0.01, 50)
        assert not self.add(loud, -20, 0.3)
        assert self.add(loud, -20, 0.9, 10)
        assert self.add(loud, -25, 0.2)
        assert self.add(loud, -25, 0.4)

    def test_other_sound_is_not(self) -> None:
        loud = LoudSpeech()
        self.add(loud, -60, 0.01, 50)
        self.add(loud, -20, 0.9, 10)
        assert not self.add(loud, -25, 0.1)
        assert not self.add(loud, -50, 0.4)
        self.add(loud, -30, 0.01, 1_000)
        assert not self.add(loud, -25, 0.4)
