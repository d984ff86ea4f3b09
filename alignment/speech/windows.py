"""Long sound, a window at a time: what the memory and the time of a long recording's answer hang on.

A window ends in the middle of the longest pause between half and all of what it may last, so that no word is cut. Where
it ends depends on the sound in it alone, never on how the sound arrived: a recording in memory and one that is read
block by block are cut at the same samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.speech.voice_activity import STEP_SAMPLES, VoiceActivityDetector, find_runs
from alignment.timing import Seconds, samples_to_seconds, seconds_to_samples
from alignment.transcripts.speakers import Turn

WINDOW_S: Final = 60.0
_PAUSE: Final = 0.35


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Some seconds of a recording.

    Attributes:
        start_s: seconds from the recording's start.
        samples: (samples,) float32 at 16 kHz.
        speaker: who speaks in it, where one person does and that is known.
        turns: who speaks when, in the recording's time, where that was looked for; None where it was not.
    """

    start_s: Seconds
    samples: NDArray[np.float32]
    speaker: str | None = None
    turns: tuple[Turn, ...] | None = None

    @property
    def end_s(self) -> Seconds:
        """Seconds from the recording's start."""
        return self.start_s + samples_to_seconds(len(self.samples))


class WindowCutter:
    """Takes sound as it comes and gives it back in windows of at most 60 s, nothing lost, nothing doubled."""

    def __init__(self, detector: VoiceActivityDetector, first_sample: int = 0) -> None:
        """Begins at the recording's start, or at the end of a window that an earlier cutter gave."""
        self._detector = detector
        self._kept: NDArray[np.float32] = np.zeros(0, np.float32)
        self._first_sample = first_sample

    def feed(self, samples: NDArray[np.float32]) -> Iterator[Window]:
        """Windows that are full now.

        Args:
            samples: (samples,) float32 at 16 kHz, what follows the sound that was fed before.
        """
        self._kept = np.concatenate((self._kept, samples))
        longest = seconds_to_samples(WINDOW_S)
        while len(self._kept) > longest:
            yield self._take(self._choose_cut(self._kept[:longest]))

    def finish(self) -> Iterator[Window]:
        """The last window, if sound is left."""
        if len(self._kept):
            yield self._take(len(self._kept))

    def _take(self, count: int) -> Window:
        window = Window(samples_to_seconds(self._first_sample), self._kept[:count])
        self._kept = self._kept[count:].copy()
        self._first_sample += count
        return window

    def _choose_cut(self, samples: NDArray[np.float32]) -> int:
        """A sample index in the second half: the middle of its longest pause, else where speech is least likely."""
        probabilities = self._detector.probabilities(samples)
        half = len(probabilities) // 2
        late = probabilities[half:]
        pauses = find_runs(late < _PAUSE)
        if not pauses:
            return (half + int(late.argmin())) * STEP_SAMPLES
        first, end = max(pauses, key=lambda pause: pause[1] - pause[0])
        return (half + (first + end) // 2) * STEP_SAMPLES


def cut_windows(samples: NDArray[np.float32], detector: VoiceActivityDetector) -> Iterator[Window]:
    """The windows of a recording in memory."""
    cutter = WindowCutter(detector)
    yield from cutter.feed(samples)
    yield from cutter.finish()
