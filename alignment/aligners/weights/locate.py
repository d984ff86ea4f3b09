"""Which weights WhisperX needs, and where they lie. Looks, never downloads, imports nothing heavy.

The folder that `can-ser fetch` fills:

    whisper/small.en/      Whisper in CTranslate2's format
    align/en/              wav2vec 2.0 of a language, of the hub or of torchaudio
    nltk_data/             punkt_tab, which finds sentence ends
    diarize/               pyannote's pipeline, where it was asked for (`alignment.aligners.whisperx.diarization`)
    SHA256SUMS             of every file

Models that lie elsewhere count too: a folder that is named, or the hub's and torch's own caches.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from alignment.aligners.weights import catalogue
from alignment.errors import AlignerUnavailableError
from alignment.timing import Seconds

NAME: Final = "whisperx"
DETECT: Final = "auto"
VadChoice = Literal["silero", "pyannote", "none"]
# Without its own tokenizer the library would ask the hub for one.
_WHISPER_PARTS: Final = ("model.bin", "config.json", "tokenizer.json")
_ALIGN_WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")


def default_folder() -> str:
    """Where `can-ser fetch` puts weights unless told otherwise."""
    return str(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "can-ser")


@dataclass(frozen=True, slots=True)
class WhisperXConfig:
    """What WhisperX loads and how it runs.

    Attributes:
        model: Whisper in CTranslate2's format: a folder, or a name such as "small.en".
        align_model: wav2vec 2.0 of `language`: a folder, a hub name, or "" for the language's default.
        language: ISO 639-1 code of the speech; "auto" detects it in every recording.
        weights: the folder that `can-ser fetch` fills; "" is the user's cache.
        vad: what finds speech: silero (ONNX), pyannote, or none.
        numerals: False has Whisper spell numbers out, which alignment follows better than digits.
        window_s: longest sound that Whisper hears at once.
        device: "auto" takes CUDA where it is and has room.
        compute_type: CTranslate2's; "auto" takes what the device is good at.
        batch_size: windows decoded together.
        threads: of one call on a CPU.
        diarize_model: pyannote's pipeline, which tells speakers apart: a folder, or a hub name.
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

    @property
    def folder(self) -> Path:
        """Where fetched weights lie."""
        return Path(self.weights or default_folder())

    @property
    def usual_language(self) -> str:
        """The language whose weights must be there at start."""
        return "en" if self.language == DETECT else self.language


@dataclass(frozen=True, slots=True)
class AlignWeights:
    """What `whisperx.load_align_model` is given.

    Attributes:
        name: a local folder; None for torchaudio's pipeline of the language.
        torch_folder: where torchaudio finds its checkpoint, when `name` is None.
    """

    name: str | None
    torch_folder: str | None = None


def find_missing(config: WhisperXConfig) -> str | None:
    """What keeps WhisperX from running, in words; None when everything is there."""
    if find_spec("whisperx") is None:
        return "the package whisperx is not installed"
    if find_whisper(config) is None:
        return _missing_whisper(config)
    language = config.usual_language
    if find_align_model(config, language) is None:
        return _missing_align_model(config, language)
    if find_nltk_data(config, language) is None:
        return "NLTK's punkt_tab, which finds sentence ends, is not on this machine"
    return None


def require_weights(config: WhisperXConfig) -> None:
    """Says at once what is missing.

    Raises:
        AlignerUnavailableError: the package or weights are missing.
    """
    missing = find_missing(config)
    if missing is not None:
        raise AlignerUnavailableError(NAME, missing, _way_out(config, missing))


def find_whisper(config: WhisperXConfig) -> Path | None:
    """The folder of the Whisper model."""
    repository = catalogue.WHISPER_REPOSITORIES.get(config.model, config.model)
    folders = [Path(config.model), whisper_folder(config.folder, config.model)]
    cached = _cached_on_hub(repository, "model.bin") if "/" in repository else None
    folders += [cached] if cached else []
    return next((folder for folder in folders if _holds_all(folder, *_WHISPER_PARTS)), None)


def find_align_model(config: WhisperXConfig, language: str) -> AlignWeights | None:
    """The alignment model of a language."""
    named = config.align_model if language == config.usual_language else ""
    if named and is_path(named):
        return AlignWeights(named) if _holds(Path(named), *_ALIGN_WEIGHTS) else None
    fetched = align_folder(config.folder, language, named)
    if _holds(fetched, *_ALIGN_WEIGHTS):
        return AlignWeights(str(fetched))
    if not named and language in catalogue.TORCH_ALIGN_MODELS:
        file = catalogue.TORCH_ALIGN_MODELS[language].file
        found = next((folder for folder in (fetched, _torch_checkpoints()) if _holds(folder, file)), None)
        return AlignWeights(None, str(found)) if found else None
    repository = named or catalogue.HUB_ALIGN_MODELS.get(language)
    cached = [_cached_on_hub(repository, weights) for weights in _ALIGN_WEIGHTS] if repository else []
    return next((AlignWeights(str(folder)) for folder in cached if folder), None)


def aligned_languages(config: WhisperXConfig) -> list[str]:
    """Languages whose alignment model is on this machine."""
    known = {*catalogue.TORCH_ALIGN_MODELS, *catalogue.HUB_ALIGN_MODELS, config.usual_language}
    known |= {folder.name for folder in (config.folder / "align").glob("*") if folder.is_dir() and len(folder.name) < 4}
    return sorted(language for language in known if find_align_model(config, language) is not None)


def find_nltk_data(config: WhisperXConfig, language: str) -> Path | None:
    """The folder for `nltk.data.path` that knows the language's sentence ends."""
    folders = [config.folder / "nltk_data"]
    folders += [Path(entry) for entry in os.environ.get("NLTK_DATA", "").split(os.pathsep) if entry]
    folders += [Path.home() / "nltk_data", Path("/usr/share/nltk_data"), Path("/usr/local/share/nltk_data")]
    wanted = Path("tokenizers", "punkt_tab", catalogue.punkt_language(language))
    return next((folder for folder in folders if (folder / wanted).is_dir()), None)


def whisper_folder(folder: Path, name: str) -> Path:
    """Where a fetched Whisper model lies."""
    return folder / "whisper" / name.replace("/", "--")


def align_folder(folder: Path, language: str, name: str = "") -> Path:
    """Where a fetched alignment model lies: a language's default, or one of another name."""
    return folder / "align" / (name.replace("/", "--") or language)


def is_path(name: str) -> bool:
    """Whether a model's name is meant as a folder: it is one, or cannot be a hub's OWNER/NAME."""
    return Path(name).is_dir() or name.startswith((".", "/", "~")) or name.count("/") > 1


def _missing_whisper(config: WhisperXConfig) -> str:
    if is_path(config.model):
        return (
            f"the folder {config.model!r} holds no Whisper model in CTranslate2's format ({', '.join(_WHISPER_PARTS)})"
        )
    if "/" not in config.model and config.model not in catalogue.WHISPER_REPOSITORIES:
        known = ", ".join(sorted(catalogue.WHISPER_REPOSITORIES))
        return f"there is no Whisper model {config.model!r} (known are {known}, and OWNER/NAME on the hub)"
    return f"the Whisper weights {config.model!r} are not on this machine"


def _missing_align_model(config: WhisperXConfig, language: str) -> str:
    if config.align_model and is_path(config.align_model):
        return f"the folder {config.align_model!r} holds no alignment model ({' or '.join(_ALIGN_WEIGHTS)})"
    if not config.align_model and not catalogue.has_align_model(language):
        return f"WhisperX names no alignment model for the language {language!r}; name one (CAN_WHISPERX__ALIGN_MODEL)"
    return f"the alignment model {config.align_model or 'for ' + repr(language)} is not on this machine"


def _way_out(config: WhisperXConfig, missing: str) -> str:
    if "package" in missing:
        return "`make install-whisperx` brings it, or `pip install '.[whisperx]'` in this project's folder"
    named = f" --align-model {config.align_model}" if config.align_model and not is_path(config.align_model) else ""
    model = f" --model {config.model}" if not is_path(config.model) else ""
    return f"fetch it with `can-ser fetch{model} --language {config.usual_language}{named}`, or name local folders"


def _holds(folder: Path, *files: str) -> bool:
    """Whether one of the files is there and not empty: an interrupted download leaves nothing that counts."""
    return any((folder / file).is_file() and (folder / file).stat().st_size for file in files)


def _holds_all(folder: Path, *files: str) -> bool:
    return all(_holds(folder, file) for file in files)


def _torch_checkpoints() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("TORCH_HOME", cache / "torch")) / "hub" / "checkpoints"


def _cached_on_hub(repository: str, file: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, file)
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None
