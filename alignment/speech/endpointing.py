"""Where utterances begin and end in sound that is still being spoken.

As in a recording, an utterance ends with a pause of 0.5 s or after 15 s. What it will be made of is known earlier, when
its margin of 0.2 s has passed: it can be worked on before it is certain that the pause lasts. Shouts that Silero takes
for no speech are not looked for here: that rule compares a sound with its whole recording.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.speech.voice_activity import SPEECH_BEGINS, SPEECH_ENDS, STEP_S, STEP_SAMPLES, VoiceActivityDetector
from alignment.speech.windows import Window
from alignment.timing import Seconds, samples_to_seconds, seconds_to_samples
from alignment.transcripts.utterances import MARGIN_S, MAX_UTTERANCE_S, MIN_PAUSE_S

_MARGIN: Final = seconds_to_samples(MARGIN_S)
_PAUSING_STEPS: Final = int(MARGIN_S / STEP_S) + 1
_ENDING_STEPS: Final = int(MIN_PAUSE_S / STEP_S) + 1
_MOST_STEPS: Final = int((MAX_UTTERANCE_S - 2 * MARGIN_S) / STEP_S)


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody begins to speak."""

    start_s: Seconds


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The utterance may be over; this is all of it, if it is."""

    window: Window


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """It was not."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over; where a pause ended it, `SpeechPaused` gave the same samples."""

    window: Window


SpeechEvent = SpeechStarted | SpeechPaused | SpeechResumed | SpeechEnded


class Endpointer:
    """Takes sound as it comes."""

    def __init__(self, detector: VoiceActivityDetector) -> None:
        self._activity = detector.open_stream()
        self._sound: NDArray[np.float32] = np.zeros(0, np.float32)
        self._origin = self._next_step = 0
        self._start: int | None = None
        self._believed: list[float] = []
        self._quiet = self._before = 0

    @property
    def duration_s(self) -> Seconds:
        """How much sound came."""
        return samples_to_seconds(self._origin + len(self._sound))

    def feed(self, samples: NDArray[np.float32]) -> list[SpeechEvent]:
        """What happened in the sound that came.

        Args:
            samples: (samples,) float32 at 16 kHz, what follows the sound that was fed before.
        """
        self._sound = np.concatenate((self._sound, samples))
        events: list[SpeechEvent] = []
        for probability in self._activity.feed(samples):
            self._next_step += STEP_SAMPLES
            events += self._listen(float(probability)) if self._start is None else self._follow(float(probability))
        self._forget()
        return events

    def finish(self) -> list[SpeechEvent]:
        """The utterance that the end of the sound cut off, if there is one."""
        return [] if self._start is None else [self._end(self._speech_end())]

    def _listen(self, probability: float) -> list[SpeechEvent]:
        if probability < SPEECH_BEGINS:
            return []
        return [self._begin(max(self._before, self._next_step - STEP_SAMPLES - _MARGIN), [probability])]

    def _follow(self, probability: float) -> list[SpeechEvent]:
        self._believed.append(probability)
        if probability >= SPEECH_ENDS:
            resumed = self._quiet >= _PAUSING_STEPS
            self._quiet = 0
            return [*([SpeechResumed()] if resumed else []), *self._split_long()]
        self._quiet += 1
        if self._quiet == _PAUSING_STEPS:
            return [SpeechPaused(self._window(self._speech_end()))]
        return [self._end(self._speech_end())] if self._quiet == _ENDING_STEPS else []

    def _split_long(self) -> list[SpeechEvent]:
        """Where speech is least likely in the second half of what an utterance may last."""
        if len(self._believed) < _MOST_STEPS:
            return []
        half = _MOST_STEPS // 2
        kept = half + int(np.argmin(self._believed[half:]))
        rest = self._believed[kept:]
        cut = self._next_step - len(rest) * STEP_SAMPLES
        return [self._end(cut), self._begin(cut, rest)]

    def _begin(self, start: int, believed: list[float]) -> SpeechStarted:
        self._start, self._believed, self._quiet = start, believed, 0
        return SpeechStarted(samples_to_seconds(start))

    def _end(self, end: int) -> SpeechEnded:
        ended = SpeechEnded(self._window(end))
        self._start, self._before = None, end
        return ended

    def _speech_end(self) -> int:
        there = self._origin + len(self._sound)
        return min(there, self._next_step - self._quiet * STEP_SAMPLES + _MARGIN)

    def _window(self, end: int) -> Window:
        start = self._start or 0
        return Window(samples_to_seconds(start), self._sound[start - self._origin : end - self._origin].copy())

    def _forget(self) -> None:
        """Keeps what an utterance may still need."""
        needed = self._next_step - STEP_SAMPLES - _MARGIN if self._start is None else self._start
        drop = max(0, needed - self._origin)
        self._sound = self._sound[drop:]
        self._origin += drop
