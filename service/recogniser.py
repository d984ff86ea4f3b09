"""Analysis from Python, in this process."""

import struct
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from can_ser_client.schemas import PredictOut
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest, Explain, Speakers
from service.results.serialisation import to_response
from service.settings import load_settings
from service.sources import read_special

_FLOAT_FORMAT: Final = 3


class EmotionRecogniser(AbstractContextManager["EmotionRecogniser"]):
    """Analyses recordings; thread-safe.

    Models load when they are first needed. Close it, or use it in a `with` statement, to end the processes of the
    aligner.
    """

    def __init__(self, *, bundle: str | Path | None = None, aligner: str | None = None) -> None:
        """Check the bundle and the aligner.

        Args:
            bundle: Name of a shipped bundle, or a folder; None uses CAN_BUNDLE, or "starter".
            aligner: "auto", "moonshine", "pocketsphinx" or "whisperx"; None uses CAN_ALIGNER, or "auto".

        Raises:
            SettingsError: The arguments or a CAN_* variable are invalid.
            BundleError, ProviderError, AlignerUnavailableError: The bundle, provider or aligner is missing.
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
        """Response for a recording, as of `POST /predict`.

        Args:
            recording: Path of an audio file, or its bytes.
            transcript: Known words; they are aligned, nothing is recognised.
            words: Known words with their times: (word, start, end), seconds from the start of the file.
            speakers: "channels" for one speaker per channel, as in call recordings; "diarize" to separate them by
                voice.
            explain: "full" returns contributions to every class, "false" no words, "occlusion" the effect of leaving
                out each word in addition.

        Raises:
            OSError: The file cannot be read.
            ConflictingFieldsError: More than one of transcript, words and speakers is given.
            AlignmentError: The recording or the words cannot be used, or diarization is not available.
        """
        request = AnalysisRequest(transcript=transcript, words=words, speakers=speakers, explain=explain)
        data = recording if isinstance(recording, bytes) else read_special(Path(recording))
        return to_response(self._engine.analyse(data, request), self._engine, request.explain)

    def recognise_samples(
        self, samples: ArrayLike, sample_rate_hz: int, *, transcript: str | None = None, explain: Explain = "true"
    ) -> PredictOut:
        """Response for audio in memory.

        Args:
            samples: (samples,) or (samples, channels), full scale 1.
            sample_rate_hz: Sample rate.
            transcript: See `recognise`.
            explain: See `recognise`.

        Raises:
            AlignmentError: See `recognise`.
        """
        return self.recognise(_encode_wav(samples, sample_rate_hz), transcript=transcript, explain=explain)

    def close(self) -> None:
        """End the processes of the aligner."""
        self._engine.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def _encode_wav(samples: ArrayLike, sample_rate_hz: int) -> bytes:
    """A WAV file of 32-bit floats, which is lossless."""
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
