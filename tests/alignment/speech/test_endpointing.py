import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from alignment.speech.endpointing import (
    Endpointer,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.timing import SAMPLE_RATE_HZ
from tests.builders import SPEECH, noise

QUIET = noise(1.5) * 1e-3


@pytest.fixture(scope="module")
def sentence() -> NDArray[np.float32]:
    samples, _ = soundfile.read(SPEECH / "garden.flac", dtype="float32")
    return np.concatenate((QUIET, samples, QUIET))


def listen(samples: NDArray[np.float32], pieces: int) -> list[SpeechEvent]:
    listener = Endpointer(VoiceActivityDetector())
    events = [event for piece in np.array_split(samples, pieces) for event in listener.feed(piece)]
    return events + listener.finish()


def test_live_and_recorded_speech_begin_and_end_together(sentence: NDArray[np.float32]) -> None:
    recorded = VoiceActivityDetector().detect(sentence)
    events = listen(sentence, 100)
    starts = [event.start_s for event in events if isinstance(event, SpeechStarted)]
    ends = [event.window.end_s for event in events if isinstance(event, SpeechEnded)]
    assert starts == pytest.approx([stretch.start_s for stretch in recorded], abs=0.05)
    assert ends == pytest.approx([stretch.end_s for stretch in recorded], abs=0.05)


def test_what_is_worked_on_early_is_what_it_ends_with(sentence: NDArray[np.float32]) -> None:
    events = listen(sentence, 100)
    paused, ended = events[-2:]
    assert isinstance(paused, SpeechPaused)
    assert isinstance(ended, SpeechEnded)
    assert paused.window.start_s == ended.window.start_s
    np.testing.assert_array_equal(paused.window.samples, ended.window.samples)
    start = round(ended.window.start_s * SAMPLE_RATE_HZ)
    np.testing.assert_array_equal(ended.window.samples, sentence[start : start + len(ended.window.samples)])


def test_how_the_sound_comes_changes_nothing(sentence: NDArray[np.float32]) -> None:
    spans = [
        [(type(e), e.window.start_s, e.window.end_s) for e in listen(sentence, n) if isinstance(e, SpeechEnded)]
        for n in (1, 7, 500)
    ]
    assert spans[0] == spans[1] == spans[2]


def test_a_short_pause_is_taken_back() -> None:
    samples, _ = soundfile.read(SPEECH / "garden.flac", dtype="float32")
    short = noise(0.4) * 1e-3
    kinds = [type(event) for event in listen(np.concatenate((samples[:20_000], short, samples[20_000:], QUIET)), 50)]
    assert SpeechResumed in kinds or kinds.count(SpeechStarted) > 1
    assert kinds.count(SpeechStarted) == kinds.count(SpeechEnded)


def test_speech_without_a_pause_is_cut_and_nothing_is_lost() -> None:
    samples, _ = soundfile.read(SPEECH / "garden.flac", dtype="float32")
    voiced = samples[8_000:40_000]
    endless = np.tile(voiced, 14)[: 25 * SAMPLE_RATE_HZ]
    ended = [event.window for event in listen(endless, 60) if isinstance(event, SpeechEnded)]
    assert all(window.end_s - window.start_s <= 15.0 for window in ended)
    assert ended[-1].end_s > 24
    for before, after in zip(ended, ended[1:], strict=False):
        assert after.start_s >= before.end_s


def test_speech_that_the_end_cuts_off_is_not_lost() -> None:
    samples, _ = soundfile.read(SPEECH / "garden.flac", dtype="float32")
    events = listen(samples[:24_000], 10)
    assert isinstance(events[-1], SpeechEnded)
    assert events[-1].window.end_s == pytest.approx(1.5, abs=0.05)


def test_silence_is_no_speech_and_is_not_kept() -> None:
    listener = Endpointer(VoiceActivityDetector())
    for _ in range(20):
        assert listener.feed(QUIET) == []
    assert listener.finish() == []
    assert listener.duration_s == 30.0
    assert len(listener._sound) < SAMPLE_RATE_HZ
