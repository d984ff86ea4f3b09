"""What WhisperX loads and how it runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from alignment.timing import Seconds
from alignment.user_folders import cache_folder

NAME: Final = "whisperx"
DETECT: Final = "auto"
VadChoice = Literal["silero", "pyannote", "none"]


@dataclass(frozen=True, slots=True)
class WhisperXConfig:
    """Models, languages and resources of WhisperX.

    Attributes:
        model: Whisper in CTranslate2's format: a folder, or a name such as "small.en".
        align_model: wav2vec 2.0 of `language`: a folder, a hub name, or "" for the language's default.
        language: ISO 639-1 code of the speech; "auto" detects it in every recording.
        weights: Folder that `can-ser fetch` fills; "" for `can-ser` in the user's cache.
        vad: Voice activity detector: silero (ONNX), pyannote, or none.
        numerals: False makes Whisper spell numbers out, which alignment follows better than digits.
        window_s: Longest window that Whisper transcribes.
        device: "auto" selects CUDA when it is available and has enough free memory.
        compute_type: CTranslate2's compute type; "auto" selects the one that suits the device.
        batch_size: Windows decoded together.
        threads: CPU threads of one call.
        diarize_model: pyannote's speaker diarization pipeline: a folder, or a hub name.
        unload_after_s: Time without a use after which the models are unloaded; 0 for never.
    """

    model: str = "small.en"
    align_model: str = ""
    language: str = "en"
    weights: str = ""
    vad: VadChoice = "silero"
    numerals: bool = False
    window_s: Seconds = 30.0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "auto"
    batch_size: int = 8
    threads: int = 2
    diarize_model: str = "pyannote/speaker-diarization-community-1"
    unload_after_s: Seconds = 0.0

    @property
    def folder(self) -> Path:
        """Folder of fetched weights."""
        return Path(self.weights) if self.weights else cache_folder()

    @property
    def usual_language(self) -> str:
        """Language for which weights are required at start."""
        return "en" if self.language == DETECT else self.language
