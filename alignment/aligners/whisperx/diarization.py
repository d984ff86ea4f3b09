"""Who speaks when: WhisperX's diarization, which is pyannote's.

Its weights are gated: whoever wants them accepts their terms on the hub and fetches them with a token of their own
(`can-ser fetch --diarize`). They lie in the folder of weights as diarize/OWNER--NAME, and nothing is asked of the
network after. Where they are missing, `speakers=channels` still tells speakers apart who have a channel each.

Source: Bain et al. 2023, "WhisperX: Time-Accurate Speech Transcription of Long-Form Audio", Interspeech.
"""

from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol

from alignment.aligners.weights.locate import WhisperXConfig, is_path
from alignment.aligners.whisperx.loading import loading
from alignment.aligners.whisperx.placement import choose_device
from alignment.audio import Waveform
from alignment.errors import AlignerFailedError, DiarizationUnavailableError
from alignment.transcripts.speakers import Turn, name_speakers

NAME: Final = "pyannote"
_PIPELINE: Final = "config.yaml"
_OWN: Final = "$model/"
_PARTS: Final = ("segmentation", "embedding", "plda")


class Diarizer(Protocol):
    """Tells speakers apart; threads may share one."""

    def require(self) -> None:
        """Passes when it can work.

        Raises:
            DiarizationUnavailableError: a package or weights are missing.
        """

    def diarize(self, waveform: Waveform) -> list[Turn]:
        """Turns in order, speakers named as they are first heard; none where nobody speaks.

        Raises:
            DiarizationUnavailableError: see `require`; or its weights are damaged.
            AlignerFailedError: it broke on this recording.
        """


class PyannoteDiarizer:
    """The pipeline of a local folder; loads when it is first needed."""

    def __init__(self, config: WhisperXConfig) -> None:
        """Loads and checks nothing."""
        self._config = config
        self._pipeline: Any = None
        self._lock = Lock()

    def require(self) -> None:
        """See `Diarizer.require`."""
        missing = find_missing_diarization(self._config)
        if missing is not None:
            raise DiarizationUnavailableError(missing, way_to_diarization(self._config))

    def diarize(self, waveform: Waveform) -> list[Turn]:
        """See `Diarizer.diarize`; one recording at a time."""
        self.require()
        with self._lock:
            if self._pipeline is None:
                self._pipeline = self._load()
            try:
                found = self._pipeline(waveform.samples)
            except (RuntimeError, ValueError) as exc:
                raise AlignerFailedError(NAME, str(exc)) from exc
        return name_speakers([Turn(float(row.start), float(row.end), str(row.speaker)) for row in found.itertuples()])

    def _load(self) -> Any:
        def damaged(reason: str) -> DiarizationUnavailableError:
            return DiarizationUnavailableError(
                f"its models cannot be loaded ({reason})", "fetch them again with `can-ser fetch --diarize --again`"
            )

        with loading(damaged):
            import torch
            from whisperx.diarize import DiarizationPipeline

            torch.set_num_threads(self._config.threads)
            return DiarizationPipeline(str(diarize_folder(self._config)), device=choose_device(self._config))


def diarize_folder(config: WhisperXConfig) -> Path:
    """Where the pipeline lies: the folder that is named, or the one that `can-ser fetch --diarize` fills."""
    name = config.diarize_model
    return Path(name).expanduser() if is_path(name) else config.folder / "diarize" / name.replace("/", "--")


def find_missing_diarization(config: WhisperXConfig) -> str | None:
    """What keeps speakers from being told apart, in words; None when everything is there."""
    if find_spec("whisperx") is None:
        return "the package whisperx is not installed"
    folder = diarize_folder(config)
    if not (folder / _PIPELINE).is_file():
        return f"the diarization weights {config.diarize_model!r} are not on this machine"
    try:
        parts = _parts_of(folder / _PIPELINE)
    except ValueError as exc:
        return str(exc)
    for part, named in parts.items():
        if named.startswith(_OWN) and not any((folder / named.removeprefix(_OWN)).glob("*")):
            return f"{folder / _PIPELINE} names {named}, which is not beside it"
        if not named.startswith(_OWN) and not Path(named).exists():
            return f"{folder / _PIPELINE} wants its {part} from the hub ({named}) and not from its own folder"
    return None


def way_to_diarization(config: WhisperXConfig) -> str:
    """How to get what is missing."""
    name = config.diarize_model
    if is_path(name):
        return "put pyannote's pipeline there, or name another with CAN_WHISPERX__DIARIZE_MODEL"
    return (
        f"accept its terms on https://hf.co/{name}, then fetch it with `HF_TOKEN=... can-ser fetch --diarize`, or use "
        "speakers=channels where each speaker has a channel"
    )


def _parts_of(pipeline: Path) -> dict[str, str]:
    """Networks that a pipeline's configuration names.

    Raises:
        ValueError: it is no such configuration.
    """
    import yaml

    try:
        params = yaml.safe_load(pipeline.read_text(encoding="utf-8"))["pipeline"]["params"]
        return {part: named for part, named in params.items() if part in _PARTS and isinstance(named, str)}
    except (yaml.YAMLError, TypeError, LookupError, AttributeError) as exc:
        raise ValueError(f"{pipeline} is no configuration of a pipeline ({type(exc).__name__})") from exc
