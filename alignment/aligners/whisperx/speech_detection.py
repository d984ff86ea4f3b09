"""Speech detectors for WhisperX: Silero, pyannote, or none."""

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.weights.config import VadChoice
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.timing import SAMPLE_RATE_HZ, samples_to_seconds
from alignment.transcripts.utterances import MARGIN_S, MAX_UTTERANCE_S, MIN_PAUSE_S, SpeechSegment, widen_segments

_QUIET_WINDOW_SAMPLES: Final = SAMPLE_RATE_HZ // 10
_LONGEST_S: Final = MAX_UTTERANCE_S - 2 * MARGIN_S
_SHORTEST_S: Final = 0.1


class SpeechDetector(Protocol):
    """Detector of speech segments; safe to share between threads."""

    def detect(self, samples: NDArray[np.float32]) -> tuple[SpeechSegment, ...]:
        """Segments of at most 15 s in order, none overlapping, of (samples,) float32 at 16 kHz; possibly none."""


class WholeRecording:
    """Detector that takes everything for speech, for recordings in which the others miss it."""

    def detect(self, samples: NDArray[np.float32]) -> tuple[SpeechSegment, ...]:
        """See `SpeechDetector.detect`; cuts fall on the quietest tenth of a second between half and all of 15 s."""
        segments, first = [], 0
        longest = int(MAX_UTTERANCE_S * SAMPLE_RATE_HZ)
        while len(samples) - first > longest:
            cut = first + longest // 2 + _quietest(samples[first + longest // 2 : first + longest])
            segments.append(SpeechSegment(samples_to_seconds(first), samples_to_seconds(cut)))
            first = cut
        return (*segments, SpeechSegment(samples_to_seconds(first), samples_to_seconds(len(samples))))


class PyannoteDetector:
    """Segmentation network that ships inside whisperx; 15 to 20 times as costly as Silero."""

    def __init__(self, device: str = "cpu") -> None:
        """Load the network."""
        import torch
        from whisperx.vads import Pyannote
        from whisperx.vads.pyannote import Binarize

        self._network: Any = Pyannote(torch.device(device), vad_onset=0.5, vad_offset=0.363)
        self._binarise: Any = Binarize(onset=0.5, offset=0.363, max_duration=_LONGEST_S)

    def detect(self, samples: NDArray[np.float32]) -> tuple[SpeechSegment, ...]:
        """See `SpeechDetector.detect`."""
        import torch

        scores = self._network({"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE_HZ})
        duration_s = samples_to_seconds(len(samples))
        speech: list[SpeechSegment] = []
        for region in self._binarise(scores).get_timeline():
            start_s, end_s = max(0.0, float(region.start)), min(duration_s, float(region.end))
            previous = speech[-1] if speech else None
            if previous and start_s - previous.end_s < MIN_PAUSE_S and end_s - previous.start_s <= _LONGEST_S:
                speech[-1] = SpeechSegment(previous.start_s, end_s)
            elif end_s - start_s >= _SHORTEST_S:
                speech.append(SpeechSegment(start_s, end_s))
        return widen_segments(speech, duration_s)


def make_detector(choice: VadChoice) -> SpeechDetector:
    """Create the selected detector."""
    if choice == "pyannote":
        return PyannoteDetector()
    return WholeRecording() if choice == "none" else VoiceActivityDetector()


def _quietest(samples: NDArray[np.float32]) -> int:
    """Middle of the quietest tenth of a second."""
    energy = np.concatenate(([0.0], np.cumsum(samples.astype(np.float64) ** 2)))
    loudness = energy[_QUIET_WINDOW_SAMPLES:] - energy[:-_QUIET_WINDOW_SAMPLES]
    return int(loudness.argmin()) + _QUIET_WINDOW_SAMPLES // 2
