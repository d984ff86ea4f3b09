"""Windows of long recordings, which bound memory and latency.

A window ends in the middle of the longest pause in the second half of its longest duration, so that no word is cut. The
cut depends on the window's samples alone, not on the size of the blocks that they arrive in: a recording in memory and
one that is read block by block are cut at the same samples. A recording with given words is cut between utterances, and
of a long pause between them only the ends are part of a window.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.quality import SoundQuality
from alignment.speech.voice_activity import STEP_SAMPLES, VoiceActivityDetector, find_runs
from alignment.timing import Seconds, samples_to_seconds, seconds_to_samples
from alignment.transcripts.speakers import Turn
from alignment.transcripts.utterances import group_words
from alignment.transcripts.words import TimedWord, Utterance

WINDOW_S: Final = 60.0
_PAUSE: Final = 0.35
_MAX_SILENCE_S: Final[Seconds] = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Consecutive samples of a recording.

    Attributes:
        start_s: Seconds from the recording's start.
        samples: (samples,) float32 at 16 kHz.
        speaker: Name of the only speaker, where it is known.
        turns: Speaker turns in the recording's time; None without diarization.
        quality: Quality of the sound, where it has been measured.
    """

    start_s: Seconds
    samples: NDArray[np.float32]
    speaker: str | None = None
    turns: tuple[Turn, ...] | None = None
    quality: SoundQuality | None = None

    @property
    def end_s(self) -> Seconds:
        """Seconds from the recording's start."""
        return self.start_s + samples_to_seconds(len(self.samples))


@dataclass(frozen=True, slots=True)
class WordWindow:
    """Start and end of a window in the recording's time, and its words in the window's time."""

    start_s: Seconds
    end_s: Seconds
    words: tuple[TimedWord, ...]


class WindowCutter:
    """Splitter of an audio stream into consecutive windows of at most 60 s."""

    def __init__(self, detector: VoiceActivityDetector, first_sample: int = 0) -> None:
        """Start at the recording's start, or at the end of a window of an earlier cutter."""
        self._detector = detector
        # Joined when they hold a window, so that the time does not depend on the size of the blocks.
        self._pieces: list[NDArray[np.float32]] = []
        self._count = 0
        self._first_sample = first_sample

    def feed(self, samples: NDArray[np.float32]) -> Iterator[Window]:
        """Yield completed windows.

        Args:
            samples: (samples,) float32 at 16 kHz, continuing the previous block.
        """
        self._pieces.append(samples)
        self._count += len(samples)
        longest = seconds_to_samples(WINDOW_S)
        while self._count > longest:
            buffer = np.concatenate(self._pieces)
            yield self._take(buffer, self._choose_cut(buffer[:longest]))

    def finish(self) -> Iterator[Window]:
        """Yield the last window, if samples are left."""
        if self._count:
            yield self._take(np.concatenate(self._pieces), self._count)

    def _take(self, buffer: NDArray[np.float32], count: int) -> Window:
        window = Window(samples_to_seconds(self._first_sample), buffer[:count])
        self._pieces = [buffer[count:].copy()]
        self._count -= count
        self._first_sample += count
        return window

    def _choose_cut(self, samples: NDArray[np.float32]) -> int:
        """Sample index in the second half: the middle of its longest pause, else where speech is least likely."""
        probabilities = self._detector.probabilities(samples)
        half = len(probabilities) // 2
        late = probabilities[half:]
        pauses = find_runs(late < _PAUSE)
        if not pauses:
            return (half + int(late.argmin())) * STEP_SAMPLES
        first, end = max(pauses, key=lambda pause: pause[1] - pause[0])
        return (half + (first + end) // 2) * STEP_SAMPLES


def cut_windows(samples: NDArray[np.float32], detector: VoiceActivityDetector) -> Iterator[Window]:
    """Yield the windows of a recording in memory, without a copy of the whole of it."""
    cutter = WindowCutter(detector)
    block = seconds_to_samples(WINDOW_S)
    for start in range(0, len(samples), block):
        yield from cutter.feed(samples[start : start + block])
    yield from cutter.finish()


def cut_between_words(words: Sequence[TimedWord], duration_s: Seconds) -> Iterator[WordWindow]:
    """Yield windows in order, of 60 s plus the rest of their last utterance and of the pause around it: at most 135 s.

    They tile the recording, except for silence that is more than 30 s from every word.

    Args:
        words: Words from `check_words`, at least one.
        duration_s: Length of the recording.
    """
    start_s = 0.0
    window: list[Utterance] = []
    utterances = group_words(words, duration_s)
    for utterance, following in zip(utterances, [*utterances[1:], None], strict=True):
        if not window:
            start_s = max(start_s, utterance.words[0].start_s - _MAX_SILENCE_S)
        window.append(utterance)
        spoken_s = utterance.words[-1].end_s
        # Margins of neighbours do not cross the middle of the pause between them.
        middle_s = duration_s if following is None else (spoken_s + following.words[0].start_s) / 2
        end_s = min(middle_s, spoken_s + _MAX_SILENCE_S)
        if following is None or end_s < middle_s or end_s - start_s >= WINDOW_S:
            yield WordWindow(start_s, end_s, tuple(_shift(word, start_s) for each in window for word in each.words))
            start_s, window = end_s, []


def _shift(word: TimedWord, by_s: Seconds) -> TimedWord:
    return replace(word, start_s=max(0.0, word.start_s - by_s), end_s=word.end_s - by_s)
