"""Which weights WhisperX needs, and whether they are on this machine. Looks, never downloads, imports nothing heavy."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from alignment.errors import AlignerUnavailableError

NAME: Final = "whisperx"
_ENGLISH_CHECKPOINT: Final = "wav2vec2_fairseq_base_ls960_asr_ls960.pth"
# As faster-whisper names its downloads; every other name NAME is Systran/faster-whisper-NAME.
_REPOSITORIES: Final = {
    "large": "Systran/faster-whisper-large-v3",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}
_INSTALL: Final = "install it with `pip install 'can-ser[whisperx]'`"


@dataclass(frozen=True, slots=True)
class WhisperXConfig:
    """What WhisperX loads and how it runs.

    Attributes:
        model: Whisper in CTranslate2's format: a folder, or a name such as "small.en".
        align_model: wav2vec 2.0 for word times: a folder, a hub name, or "" for the language's default.
        language: ISO 639-1 code of the speech.
        download: fetch what is missing from the hubs; else what is missing is an error.
        device: "auto" takes CUDA where it is.
        compute_type: CTranslate2's; "auto" is int8 on a CPU and float16 on a GPU.
        batch_size: windows of 30 s decoded together.
        threads: of CTranslate2 on a CPU.
    """

    model: str = "small.en"
    align_model: str = ""
    language: str = "en"
    download: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "auto"
    batch_size: int = 8
    threads: int = 2


def find_missing(config: WhisperXConfig) -> str | None:
    """What keeps WhisperX from running, in words; None when everything is there."""
    if find_spec("whisperx") is None:
        return "the package whisperx is not installed"
    if config.download:
        return None
    if not _whisper_is_here(config.model):
        return f"the Whisper weights {config.model!r} are not on this machine"
    if not _align_model_is_here(config):
        return f"the alignment model {config.align_model or 'for ' + config.language!r} is not on this machine"
    if not _punkt_is_here():
        return "NLTK's punkt_tab, which finds sentence ends, is not on this machine"
    return None


def require_weights(config: WhisperXConfig) -> None:
    """Says at once what is missing.

    Raises:
        AlignerUnavailableError: the package or weights are missing.
    """
    missing = find_missing(config)
    if missing is not None:
        way_out = _INSTALL if "package" in missing else "set CAN_WHISPERX__DOWNLOAD=true once, or name local folders"
        raise AlignerUnavailableError(NAME, missing, way_out)


def _whisper_is_here(name: str) -> bool:
    folder = Path(name)
    if folder.is_dir():
        return (folder / "model.bin").is_file()
    repository = name if "/" in name else _REPOSITORIES.get(name, f"Systran/faster-whisper-{name}")
    return _cached_on_hub(repository, "model.bin")


def _align_model_is_here(config: WhisperXConfig) -> bool:
    name = config.align_model
    if name and Path(name).is_dir():
        return any((Path(name) / weights).is_file() for weights in ("model.safetensors", "pytorch_model.bin"))
    if name:
        return any(_cached_on_hub(name, weights) for weights in ("model.safetensors", "pytorch_model.bin"))
    # Other languages' defaults are listed inside whisperx, which takes long to import: name the model to use one.
    return config.language == "en" and (_torch_checkpoints() / _ENGLISH_CHECKPOINT).is_file()


def _torch_checkpoints() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("TORCH_HOME", cache / "torch")) / "hub" / "checkpoints"


def _punkt_is_here() -> bool:
    folders = [Path(entry) for entry in os.environ.get("NLTK_DATA", "").split(os.pathsep) if entry]
    folders += [Path.home() / "nltk_data", Path("/usr/share/nltk_data"), Path("/usr/local/share/nltk_data")]
    return any((folder / "tokenizers" / "punkt_tab").is_dir() for folder in folders)


def _cached_on_hub(repository: str, file: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, file), str)
