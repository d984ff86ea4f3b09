"""Speaker diarization with the pipeline of pyannote, through WhisperX.

The weights are gated: users accept their terms on the hub and fetch them with a token (`can-ser fetch --diarize`).
They are stored in the folder of weights as diarize/OWNER--NAME and loaded without network access. Without them,
`speakers=channels` separates speakers that have a channel each.

Source: Bain et al. 2023, "WhisperX: Time-Accurate Speech Transcription of Long-Form Audio", Interspeech.
"""

from threading import Lock
from typing import Any, Final, Protocol

from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.locate import diarize_folder, find_missing_diarization
from alignment.aligners.whisperx.loading import loading
from alignment.aligners.whisperx.placement import choose_device
from alignment.audio import Waveform
from alignment.errors import AlignerFailedError, DiarizationUnavailableError
from alignment.idle import IdleModels
from alignment.transcripts.speakers import Turn, name_speakers

NAME: Final = "pyannote"


class Diarizer(Protocol):
    """Speaker diarization; safe to share between threads."""

    def require(self) -> None:
        """Raise unless diarization can run.

        Raises:
            DiarizationUnavailableError: A package or weights are missing.
        """

    def diarize(self, waveform: Waveform) -> list[Turn]:
        """Return speaker turns in order, speakers numbered by first appearance; none without speech.

        Raises:
            DiarizationUnavailableError: See `require`; also when the weights are damaged.
            AlignerFailedError: The pipeline failed on this recording.
        """


class PyannoteDiarizer:
    """Diarization pipeline of a local folder, loaded on first use, and unloaded when idle."""

    def __init__(self, config: WhisperXConfig) -> None:
        """Store the configuration; nothing is loaded or checked."""
        self._config = config
        self._pipeline: IdleModels[Any] = IdleModels(NAME, self._load, unload_after_s=config.unload_after_s)
        self._lock = Lock()

    def require(self) -> None:
        """See `Diarizer.require`."""
        missing = find_missing_diarization(self._config)
        if missing is not None:
            raise DiarizationUnavailableError(missing.reason, missing.way_out)

    def diarize(self, waveform: Waveform) -> list[Turn]:
        """See `Diarizer.diarize`; processes one recording at a time."""
        self.require()
        with self._lock, self._pipeline.use() as pipeline:
            try:
                rows = pipeline(waveform.samples)
            except (RuntimeError, ValueError) as exc:
                raise AlignerFailedError(NAME, str(exc)) from exc
        return name_speakers([Turn(float(row.start), float(row.end), str(row.speaker)) for row in rows.itertuples()])

    def _load(self) -> Any:
        with loading(_damaged):
            import torch
            from whisperx.diarize import DiarizationPipeline

            torch.set_num_threads(self._config.threads)
            return DiarizationPipeline(str(diarize_folder(self._config)), device=choose_device(self._config))


def _damaged(reason: str) -> DiarizationUnavailableError:
    return DiarizationUnavailableError(
        f"its models cannot be loaded ({reason})", "fetch them again with `can-ser fetch --diarize --again`"
    )
