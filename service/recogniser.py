"""The same answers from Python, in this process, as records."""

import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from alignment.transcripts.words import TimedWord
from service.errors import refuse_conflicts
from service.inference.engine import EmotionEngine
from service.inference.result import AnalysisRequest, Speakers
from service.results.schemas import Explain, PredictOut
from service.results.serialisation import present
from service.settings import load_settings

_FLOAT_FORMAT: Final = 3


class EmotionRecogniser:
    """Recordings in, answers out; threads may share one.

    Models load when they are first needed. Close it, or use it in a `with` statement, to end the aligner's processes.
    """

    def __init__(self, *, bundle: str | Path | None = None, aligner: str | None = None) -> None:
        """Checks the bundle and the aligner.

        Args:
            bundle: a shipped bundle's name, or a folder; None takes CAN_BUNDLE, or "starter".
            aligner: "auto", "pocketsphinx" or "whisperx"; None takes CAN_ALIGNER, or "auto".

        Raises:
            SettingsError: the arguments or a CAN_* variable make no sense.
            BundleError, ProviderError, AlignerUnavailableError: what is asked for is not there.
        """
        self._engine = EmotionEngine(load_settings({"bundle": bundle and str(bundle), "aligner": aligner}))

    def recognise(
        self,
        recording: str | Path | bytes,
        *,
        transcript: str | None = None,
        words: Sequence[tuple[str, float, float]] | None = None,
        speakers: Speakers | None = None,
        explain: Explain = "true",
    ) -> PredictOut:
        """The answer about a recording, as `POST /predict` gives it.

        Args:
            recording: path of an audio file, or its bytes.
            transcript: what is said, if known; its words are aligned, nothing is recognised.
            words: what is said and when: (word, start, end), seconds from the start of the file.
            speakers: "channels" for one speaker on each channel, as calls are recorded; "diarize" to tell them apart
                by voice.
            explain: "full" gives contributions to every emotion, "false" leaves out words.

        Raises:
            OSError: the file cannot be read.
            ConflictingFieldsError: of transcript, words and speakers more than one is given.
            AlignmentError: the recording or the words cannot be used, or speakers not be told apart.
        """
        refuse_conflicts(transcript=transcript, words=words, speakers=speakers)
        timed = None if words is None else tuple(TimedWord(word, start, end, "given") for word, start, end in words)
        data = recording if isinstance(recording, bytes) else Path(recording).read_bytes()
        request = AnalysisRequest(transcript, timed, speakers=speakers)
        return present(self._engine.analyse(data, request), self._engine, explain)

    def recognise_samples(
        self, samples: ArrayLike, sample_rate_hz: int, *, transcript: str | None = None, explain: Explain = "true"
    ) -> PredictOut:
        """The answer about sound in memory.

        Args:
            samples: (samples,) or (samples, channels), full scale 1.
            sample_rate_hz: theirs.
            transcript: see `recognise`.
            explain: see `recognise`.

        Raises:
            AlignmentError: see `recognise`.
        """
        return self.recognise(_wav_of(samples, sample_rate_hz), transcript=transcript, explain=explain)

    def close(self) -> None:
        """Ends the aligner's processes."""
        self._engine.close()

    def __enter__(self) -> "EmotionRecogniser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _wav_of(samples: ArrayLike, sample_rate_hz: int) -> bytes:
    """A WAV file of 32-bit floats, which loses nothing."""
    sound = np.asarray(samples, dtype="<f4")
    channels = 1 if sound.ndim == 1 else sound.shape[1]
    data = sound.tobytes()
    frame_bytes = 4 * channels
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, _FLOAT_FORMAT, channels),
        *(sample_rate_hz, sample_rate_hz * frame_bytes, frame_bytes, 32, b"data", len(data)),
    )
    return header + data
