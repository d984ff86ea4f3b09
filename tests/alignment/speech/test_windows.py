from itertools import pairwise

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.speech.windows import WINDOW_S, Window, WindowCutter, cut_between_words, cut_windows
from alignment.timing import SAMPLE_RATE_HZ
from tests.builders import SPEECH, noise, timed


@pytest.fixture(scope="module")
def long_speech() -> NDArray[np.float32]:
    """A repeated sentence, with pauses of one second of near silence."""
    sentence, _ = soundfile.read(SPEECH / "garden.flac", dtype="float32")
    pause = noise(1.0) * 1e-3
    return np.concatenate([sentence, pause] * (1 + int(130 * SAMPLE_RATE_HZ / (len(sentence) + len(pause)))))


@pytest.fixture(scope="module")
def windows(long_speech: NDArray[np.float32]) -> list[Window]:
    return list(cut_windows(long_speech, VoiceActivityDetector()))


def test_windows_tile_the_recording(long_speech: NDArray[np.float32], windows: list[Window]) -> None:
    np.testing.assert_array_equal(np.concatenate([window.samples for window in windows]), long_speech)
    assert [window.start_s for window in windows[1:]] == [window.end_s for window in windows[:-1]]
    assert all(WINDOW_S / 2 <= len(window.samples) / SAMPLE_RATE_HZ <= WINDOW_S for window in windows[:-1])


def test_windows_end_in_pauses(windows: list[Window]) -> None:
    assert len(windows) > 2
    for window in windows[:-1]:
        assert np.abs(window.samples[-SAMPLE_RATE_HZ // 10 :]).max() < 0.01


def test_block_size_does_not_change_the_windows(long_speech: NDArray[np.float32], windows: list[Window]) -> None:
    cutter = WindowCutter(VoiceActivityDetector())
    cut = [window for block in np.array_split(long_speech, 97) for window in cutter.feed(block)]
    cut += cutter.finish()
    assert [window.start_s for window in cut] == [window.start_s for window in windows]


def test_audio_without_pause_is_split() -> None:
    first, last = cut_windows(np.tile(noise(1.0), 70), VoiceActivityDetector())
    assert WINDOW_S / 2 <= first.end_s <= WINDOW_S
    assert last.end_s == 70.0


def test_short_audio_is_one_window() -> None:
    [window] = cut_windows(noise(2.0), VoiceActivityDetector())
    assert (window.start_s, window.end_s) == (0.0, 2.0)


def test_given_words_are_cut_between_utterances() -> None:
    """Words of 1 s, with a pause of 1 s after every tenth; a window ends in the first pause after 60 s."""
    starts = [index + index // 10 for index in range(100)]
    words = timed(*((str(index), float(start_s), start_s + 1.0) for index, start_s in enumerate(starts)))
    windows = list(cut_between_words(words, 120.0))
    assert [window.end_s for window in windows] == [65.5, 120.0]
    assert [word.word for window in windows for word in window.words] == [word.word for word in words]
    assert windows[1].words[0].start_s == pytest.approx(66.0 - 65.5)


def test_windows_of_given_words_are_bounded_whatever_their_pauses() -> None:
    """A word at the start and one after four hours; and words of which each is 50 s after the previous one."""
    early, late = cut_between_words(timed(("a", 100.0, 101.0), ("b", 14_380.0, 14_381.0)), 14_400.0)
    assert (early.start_s, early.end_s) == (70.0, 131.0)
    assert (late.start_s, late.end_s) == (14_350.0, 14_400.0)
    assert [(word.start_s, word.end_s) for word in (*early.words, *late.words)] == [(30.0, 31.0)] * 2
    sparse = timed(*((str(index), 65.0 * index, 65.0 * index + 10.0) for index in range(200)))
    windows = list(cut_between_words(sparse, 13_000.0))
    assert max(window.end_s - window.start_s for window in windows) <= 135
    assert [word.word for window in windows for word in window.words] == [word.word for word in sparse]
    assert all(before.end_s <= after.start_s for before, after in pairwise(windows))
    assert all(0 <= word.start_s < word.end_s <= each.end_s - each.start_s for each in windows for word in each.words)


def test_tiny_blocks_are_joined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples copied for 59 s in blocks of 40 samples, which a file of many channels at a high rate gives."""
    copied = 0
    concatenate = np.concatenate

    def count(pieces: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        nonlocal copied
        copied += sum(map(len, pieces))
        return concatenate(pieces)

    samples = noise(1.0)
    cutter = WindowCutter(VoiceActivityDetector())
    monkeypatch.setattr("alignment.speech.windows.np.concatenate", count)
    for block in np.array_split(np.tile(samples, 59), 59 * SAMPLE_RATE_HZ // 40):
        assert list(cutter.feed(block)) == []
    [window] = cutter.finish()
    assert len(window.samples) == copied == 59 * SAMPLE_RATE_HZ


def test_windows_of_a_recording_in_memory_hold_no_copy_of_all_of_it() -> None:
    """Several tracks are cut at the same time, each up to its next window."""
    samples = np.tile(noise(1.0), 400)
    for window in cut_windows(samples, VoiceActivityDetector()):
        owner = window.samples if window.samples.base is None else window.samples.base
        assert len(owner) <= 2 * WINDOW_S * SAMPLE_RATE_HZ
