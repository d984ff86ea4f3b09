"""Look-up of WhisperX's weights on this machine, without downloads or heavy imports.

The folder that `can-ser fetch` fills:

    whisper/small.en/      Whisper in CTranslate2's format
    align/en/              wav2vec 2.0 of a language, from the hub or from torchaudio
    nltk_data/             punkt_tab, which finds sentence ends
    diarize/OWNER--NAME/   pyannote's pipeline, fetched on request only
    SHA256SUMS             checksums of all files

Models in other folders are found too: a folder that is named, or the caches of the hub and of torch.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from alignment.aligners.weights import catalogue
from alignment.aligners.weights.config import NAME, WhisperXConfig
from alignment.aligners.weights.permissions import find_refused_path
from alignment.errors import AlignerUnavailableError
from alignment.user_folders import expand_user, home_folder

INSTALL: Final = "`make install-whisperx` installs it, or `pip install '.[whisperx]'` in this project's folder"
# Without a tokenizer of its own, the library would download one.
_WHISPER_PARTS: Final = ("model.bin", "config.json", "tokenizer.json")
_ALIGN_WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
_PIPELINE: Final = "config.yaml"
_PIPELINE_PARTS: Final = ("segmentation", "embedding", "plda")
_OWN_FOLDER: Final = "$model/"


@dataclass(frozen=True, slots=True)
class Missing:
    """Reason why something cannot run, and what to do about it."""

    reason: str
    way_out: str


@dataclass(frozen=True, slots=True)
class AlignWeights:
    """Arguments of `whisperx.load_align_model`.

    Attributes:
        name: Local folder; None for torchaudio's pipeline of the language.
        torch_folder: Folder of torchaudio's checkpoint, when `name` is None.
    """

    name: str | None
    torch_folder: str | None = None


def find_missing(config: WhisperXConfig) -> Missing | None:
    """Package or weights without which WhisperX cannot run; None when everything is there."""
    if find_spec("whisperx") is None:
        return Missing("the package whisperx is not installed", INSTALL)
    language = config.usual_language
    if find_whisper(config) is None:
        return Missing(_missing_whisper(config), _fetch_command(config))
    if find_align_model(config, language) is None:
        return Missing(_missing_align_model(config, language), _fetch_command(config))
    if find_nltk_data(config, language) is None:
        return _missing_nltk_data(config, language)
    return None


def require_weights(config: WhisperXConfig) -> None:
    """Raise unless WhisperX can run.

    Raises:
        AlignerUnavailableError: The package or weights are missing.
    """
    missing = find_missing(config)
    if missing is not None:
        raise AlignerUnavailableError(NAME, missing.reason, missing.way_out)


def find_whisper(config: WhisperXConfig) -> Path | None:
    """Folder of the Whisper model."""
    repository = catalogue.WHISPER_REPOSITORIES.get(config.model, config.model)
    folders = [Path(config.model), whisper_folder(config.folder, config.model)]
    cached = _cached_on_hub(repository, "model.bin") if "/" in repository else None
    folders += [cached] if cached else []
    return next((folder for folder in folders if all(_holds(folder, part) for part in _WHISPER_PARTS)), None)


def find_align_model(config: WhisperXConfig, language: str) -> AlignWeights | None:
    """Alignment model of a language."""
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
    """Languages with an alignment model on this machine."""
    known = {*catalogue.TORCH_ALIGN_MODELS, *catalogue.HUB_ALIGN_MODELS, config.usual_language}
    known |= {folder.name for folder in (config.folder / "align").glob("*") if folder.is_dir() and len(folder.name) < 4}
    return sorted(language for language in known if find_align_model(config, language) is not None)


def find_nltk_data(config: WhisperXConfig, language: str) -> Path | None:
    """NLTK data folder that holds the language's sentence ends and that NLTK reads from."""
    punkt = catalogue.punkt_folder(language)
    return next((folder for folder in _nltk_folders(config, punkt) if find_refused_path(folder, punkt) is None), None)


def find_missing_diarization(config: WhisperXConfig) -> Missing | None:
    """Package or weights without which diarization cannot run; None when everything is there."""
    if find_spec("whisperx") is None:
        return Missing("the package whisperx is not installed", INSTALL)
    reason = _missing_pipeline(config)
    return Missing(reason, way_to_diarization(config)) if reason else None


def way_to_diarization(config: WhisperXConfig) -> str:
    """Instructions for obtaining the diarization weights."""
    name = config.diarize_model
    if is_path(name):
        return "put pyannote's pipeline there, or name another with CAN_WHISPERX__DIARIZE_MODEL"
    return (
        f"accept its terms on https://hf.co/{name}, then fetch it with `HF_TOKEN=... can-ser fetch --diarize`, or use "
        "speakers=channels where each speaker has a channel"
    )


def whisper_folder(folder: Path, name: str) -> Path:
    """Folder of a fetched Whisper model."""
    return folder / "whisper" / name.replace("/", "--")


def align_folder(folder: Path, language: str, name: str = "") -> Path:
    """Folder of a fetched alignment model: the language's default, or the model of another name."""
    return folder / "align" / (name.replace("/", "--") or language)


def diarize_folder(config: WhisperXConfig) -> Path:
    """Folder of the diarization pipeline: the one that is named, or the one that `can-ser fetch --diarize` fills."""
    name = config.diarize_model
    return expand_user(name) if is_path(name) else config.folder / "diarize" / name.replace("/", "--")


def is_path(name: str) -> bool:
    """Whether a model's name means a folder: the folder exists, or the name cannot be a hub's OWNER/NAME."""
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


def _nltk_folders(config: WhisperXConfig, resource: Path) -> list[Path]:
    folders = [config.folder / "nltk_data"]
    folders += [Path(entry) for entry in os.environ.get("NLTK_DATA", "").split(os.pathsep) if entry]
    folders += [home_folder() / "nltk_data", Path("/usr/share/nltk_data"), Path("/usr/local/share/nltk_data")]
    return [folder for folder in folders if (folder / resource).is_dir()]


def _missing_nltk_data(config: WhisperXConfig, language: str) -> Missing:
    punkt = catalogue.punkt_folder(language)
    for folder in _nltk_folders(config, punkt):
        if refused := find_refused_path(folder, punkt):
            reason = f"NLTK refuses its data in {folder}, because other users can write to {refused} or own it"
            return Missing(reason, f"run `chmod -R go-w {folder}` as its owner, which must be root or the current user")
    return Missing("NLTK's punkt_tab, which finds sentence ends, is not on this machine", _fetch_command(config))


def _missing_pipeline(config: WhisperXConfig) -> str | None:
    """Reason why the diarization pipeline cannot be loaded from its folder alone."""
    path = diarize_folder(config) / _PIPELINE
    if not path.is_file():
        return f"the diarization weights {config.diarize_model!r} are not on this machine"
    try:
        parts = _read_pipeline(path)
    except ValueError as exc:
        return str(exc)
    for part, name in parts.items():
        if name.startswith(_OWN_FOLDER) and not any((path.parent / name.removeprefix(_OWN_FOLDER)).glob("*")):
            return f"{path} names {name}, which is not in its folder"
        if not name.startswith(_OWN_FOLDER) and not Path(name).exists():
            return f"{path} takes its {part} from the hub ({name}) and not from its own folder"
    return None


def _read_pipeline(path: Path) -> dict[str, str]:
    """Networks that a pipeline's configuration names; raises ValueError for another file."""
    import yaml

    try:
        params = yaml.safe_load(path.read_text(encoding="utf-8"))["pipeline"]["params"]
        return {part: name for part, name in params.items() if part in _PIPELINE_PARTS and isinstance(name, str)}
    except (yaml.YAMLError, TypeError, LookupError, AttributeError) as exc:
        raise ValueError(f"{path} is no configuration of a pipeline ({type(exc).__name__})") from exc


def _fetch_command(config: WhisperXConfig) -> str:
    align_model = config.align_model
    named = f" --align-model {align_model}" if align_model and not is_path(align_model) else ""
    model = f" --model {config.model}" if not is_path(config.model) else ""
    return f"fetch it with `can-ser fetch{model} --language {config.usual_language}{named}`, or name local folders"


def _holds(folder: Path, *files: str) -> bool:
    """Whether one of the files exists and is not empty; an interrupted download leaves none."""
    return any((folder / file).is_file() and (folder / file).stat().st_size for file in files)


def _torch_checkpoints() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home_folder() / ".cache")
    return Path(os.environ.get("TORCH_HOME", cache / "torch")) / "hub" / "checkpoints"


def _cached_on_hub(repository: str, file: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, file)
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None
