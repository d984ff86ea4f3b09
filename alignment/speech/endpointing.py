"""Endpointing of live speech: start and end of utterances while the audio arrives.

As in a recording, an utterance ends with a pause of 0.5 s or after 15 s. Its samples are known earlier, after its
margin of 0.2 s, so that processing can start before the end is certain. The rule for loud speech compares a sound with
the stream so far.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.speech.loud_speech import LoudSpeech
from alignment.speech.voice_activity import SPEECH_OFFSET, SPEECH_ONSET, STEP_S, STEP_SAMPLES, VoiceActivityDetector
from alignment.speech.windows import Window
from alignment.timing import Seconds, samples_to_seconds, seconds_to_samples
from alignment.transcripts.utterances import MARGIN_S, MAX_UTTERANCE_S, MIN_PAUSE_S

_MARGIN: Final = seconds_to_samples(MARGIN_S)
_PAUSE_STEPS: Final = int(MARGIN_S / STEP_S) + 1
_END_STEPS: Final = int(MIN_PAUSE_S / STEP_S) + 1
_MAX_STEPS: Final = int((MAX_UTTERANCE_S - 2 * MARGIN_S) / STEP_S)


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Start of an utterance."""

    start_s: Seconds


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """Possible end of an utterance, with its samples if it ends here."""

    window: Window


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Continuation of a paused utterance."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """End of an utterance; after a pause, its samples are those of `SpeechPaused`."""

    window: Window


SpeechEvent = SpeechStarted | SpeechPaused | SpeechResumed | SpeechEnded


class Endpointer:
    """Detector of utterances in an audio stream."""

    def __init__(self, detector: VoiceActivityDetector) -> None:
        self._activity = detector.open_stream()
        self._loud = LoudSpeech()
        self._buffer: NDArray[np.float32] = np.zeros(0, np.float32)
        self._buffer_start = self._next_step = 0
        self._start: int | None = None
        self._probabilities: list[float] = []
        self._quiet_steps = self._previous_end = 0

    @property
    def duration_s(self) -> Seconds:
        """Duration of the received audio."""
        return samples_to_seconds(self._buffer_start + len(self._buffer))

    def feed(self, samples: NDArray[np.float32]) -> list[SpeechEvent]:
        """Return the events of a block of audio.

        Args:
            samples: (samples,) float32 at 16 kHz, continuing the previous block.
        """
        self._buffer = np.concatenate((self._buffer, samples))
        events: list[SpeechEvent] = []
        for probability in self._activity.feed(samples):
            self._next_step += STEP_SAMPLES
            step = self._outside if self._start is None else self._inside
            events += step(float(probability), is_loud=self._loud.add(self._last_step(), float(probability)))
        self._drop_old_samples()
        return events

    def finish(self) -> list[SpeechEvent]:
        """Return the end of an utterance that continues to the end of the stream."""
        return [] if self._start is None else [self._end(self._speech_end())]

    def _last_step(self) -> NDArray[np.float32]:
        end = self._next_step - self._buffer_start
        return self._buffer[end - STEP_SAMPLES : end]

    def _outside(self, probability: float, *, is_loud: bool) -> list[SpeechEvent]:
        """Events of a step outside an utterance."""
        if probability < SPEECH_ONSET and not is_loud:
            return []
        return [self._begin(max(self._previous_end, self._next_step - STEP_SAMPLES - _MARGIN), [probability])]

    def _inside(self, probability: float, *, is_loud: bool) -> list[SpeechEvent]:
        """Events of a step inside an utterance."""
        self._probabilities.append(probability)
        if probability >= SPEECH_OFFSET or is_loud:
            resumed = self._quiet_steps >= _PAUSE_STEPS
            self._quiet_steps = 0
            return [*([SpeechResumed()] if resumed else []), *self._split_long()]
        self._quiet_steps += 1
        if self._quiet_steps == _PAUSE_STEPS:
            return [SpeechPaused(self._window(self._speech_end()))]
        return [self._end(self._speech_end())] if self._quiet_steps == _END_STEPS else []

    def _split_long(self) -> list[SpeechEvent]:
        """Split where speech is least likely in the second half of an utterance's longest duration."""
        if len(self._probabilities) < _MAX_STEPS:
            return []
        half = _MAX_STEPS // 2
        rest = self._probabilities[half + int(np.argmin(self._probabilities[half:])) :]
        cut = self._next_step - len(rest) * STEP_SAMPLES
        return [self._end(cut), self._begin(cut, rest)]

    def _begin(self, start: int, probabilities: list[float]) -> SpeechStarted:
        self._start, self._probabilities, self._quiet_steps = start, probabilities, 0
        return SpeechStarted(samples_to_seconds(start))

    def _end(self, end: int) -> SpeechEnded:
        ended = SpeechEnded(self._window(end))
        self._start, self._previous_end = None, end
        return ended

    def _speech_end(self) -> int:
        received = self._buffer_start + len(self._buffer)
        return min(received, self._next_step - self._quiet_steps * STEP_SAMPLES + _MARGIN)

    def _window(self, end: int) -> Window:
        start = self._start or 0
        return Window(
            samples_to_seconds(start), self._buffer[start - self._buffer_start : end - self._buffer_start].copy()
        )

    def _drop_old_samples(self) -> None:
        """Drop samples that no utterance can contain any more."""
        needed = self._next_step - STEP_SAMPLES - _MARGIN if self._start is None else self._start
        drop = max(0, needed - self._buffer_start)
        self._buffer = self._buffer[drop:]
        self._buffer_start += drop
