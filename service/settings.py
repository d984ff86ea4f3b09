"""Deployment: where, how much, how long. Nothing here changes a feature or a score."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from alignment.aligners.selection import AlignerChoice
from alignment.aligners.weights.config import VadChoice, WhisperXConfig
from service.errors import SettingsError

PREFIX: Final = "CAN_"


class PocketSphinxSettings(BaseModel):
    """The embedded aligner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: Annotated[int, Field(ge=1, le=64, description="Processes, of about 130 MB each.")] = 1


class WhisperXSettings(BaseModel):
    """The aligner that needs weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[str, Field(description="Whisper in CTranslate2's format: a folder, or a name.")] = "small.en"
    align_model: Annotated[str, Field(description="wav2vec 2.0: a folder, a name, or the language's default.")] = ""
    language: Annotated[str, Field(min_length=2, max_length=4, description="ISO 639-1 code; auto detects it.")] = "en"
    weights: Annotated[str, Field(description="Folder that `can-ser fetch` fills; empty for the user's cache.")] = ""
    vad: Annotated[VadChoice, Field(description="Finds speech: silero, pyannote (slow), or none.")] = "silero"
    numerals: Annotated[bool, Field(description="Let Whisper write digits; words are aligned better.")] = False
    window_s: Annotated[float, Field(ge=1, le=30, description="Longest sound that Whisper hears at once.")] = 30.0
    device: Annotated[Literal["auto", "cpu", "cuda"], Field(description="Where both models run.")] = "auto"
    compute_type: Annotated[str, Field(description="CTranslate2's; auto is int8 on a CPU, float16 on a GPU.")] = "auto"
    batch_size: Annotated[int, Field(ge=1, le=256, description="Windows decoded together.")] = 8
    threads: Annotated[int, Field(ge=1, le=256, description="Of one call on a CPU.")] = 2
    diarize_model: Annotated[
        str, Field(description="Tells speakers apart (speakers=diarize): a folder, or a name.")
    ] = "pyannote/speaker-diarization-community-1"

    def config(self) -> WhisperXConfig:
        """The aligner's own record."""
        return WhisperXConfig(**self.model_dump())


class BatchSettings(BaseModel):
    """Requests whose utterances the network scores together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_requests: Annotated[int, Field(ge=1, le=1_024, description="Requests in one batch; 1 turns it off.")] = 32
    linger_ms: Annotated[
        float, Field(ge=0, le=1_000, description="Longest wait for more requests, only while some are on their way.")
    ] = 2.0


def _state_folder() -> Path:
    """Where a user's programs keep what must outlive them."""
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "can-ser"


class JobSettings(BaseModel):
    """Long recordings, worked on beside the requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path = Field(
        default_factory=lambda: _state_folder() / "jobs",
        description="Keeps jobs and their recordings; made when the first job comes.",
    )
    workers: Annotated[int, Field(ge=1, le=64, description="Jobs worked on at once.")] = 1
    max_waiting: Annotated[int, Field(ge=1, le=100_000, description="Jobs waiting or worked on.")] = 100
    max_audio_s: Annotated[float, Field(gt=0, le=86_400, description="Decoded length accepted.")] = 14_400.0
    max_upload_bytes: Annotated[int, Field(ge=1_000, description="Bytes of one recording accepted.")] = 1_000_000_000
    keep_s: Annotated[float, Field(gt=0, description="A job is forgotten so long after its end.")] = 86_400.0


class LiveSettings(BaseModel):
    """Live connections (WebSocket /stream)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_connections: Annotated[int, Field(ge=0, le=10_000, description="Open at once; 0 turns live speech off.")] = 16
    max_frame_bytes: Annotated[int, Field(ge=2, le=16_000_000, description="Of one message.")] = 262_144
    max_audio_s: Annotated[float, Field(gt=0, description="Sound that one connection may send.")] = 3_600.0
    idle_s: Annotated[float, Field(gt=0, description="A connection that sends nothing for so long is closed.")] = 30.0


class Settings(BaseSettings):
    """All of it, from CAN_* variables; groups are written CAN_WHISPERX__MODEL."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid")

    host: Annotated[str, Field(description="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535, description="Port to listen on.")] = 8000
    bundle: Annotated[str, Field(description="A shipped bundle's name, or a folder.")] = "starter"
    provider: Annotated[
        Literal["auto", "cpu", "cuda"], Field(description="Where the network runs; auto takes CUDA where it works.")
    ] = "auto"
    threads: Annotated[int, Field(ge=1, le=256, description="Of one call of the network on a CPU.")] = 1
    scorers: Annotated[
        int,
        Field(
            ge=0,
            le=64,
            description="Processes of about 100 MB that score small recordings which bring their words, while several "
            "are there: a quarter more of them a second with one for each core. 0: threads do it.",
        ),
    ] = 0
    aligner: Annotated[AlignerChoice, Field(description="auto takes WhisperX when it and its weights are there.")] = (
        "auto"
    )
    pocketsphinx: PocketSphinxSettings = PocketSphinxSettings()
    whisperx: WhisperXSettings = WhisperXSettings()
    batch: BatchSettings = BatchSettings()
    jobs: JobSettings = JobSettings()
    live: LiveSettings = LiveSettings()
    max_audio_s: Annotated[float, Field(gt=0, le=14_400, description="Decoded length accepted.")] = 300.0
    max_upload_bytes: Annotated[int, Field(ge=1_000, description="Bytes of one request accepted.")] = 100_000_000
    upload_idle_s: Annotated[float, Field(gt=0, description="An upload that stands still for so long gets 408.")] = 20.0
    upload_s: Annotated[float, Field(gt=0, description="An upload takes no longer; else 408.")] = 600.0
    max_uploads: Annotated[int, Field(ge=1, le=10_000, description="Uploads on their way at once.")] = 256
    api_keys: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")], ...],
        Field(description="JSON list of SHA-256 digests of keys, from `can-ser key`; empty: everybody may ask."),
    ] = ()
    key_requests_per_minute: Annotated[int | None, Field(ge=1, description="Of each key; none: no limit.")] = None
    origins: Annotated[
        tuple[str, ...], Field(description='JSON list of sites whose pages may ask: ["https://example.org"].')
    ] = ()
    max_waiting: Annotated[int, Field(ge=1, le=10_000, description="Requests worked on or waiting at once.")] = 64
    deadline_s: Annotated[float, Field(gt=0, description="An answer takes no longer; else 504.")] = 120.0
    traces: Annotated[bool, Field(description="Sends OpenTelemetry traces, to where the OTEL_* variables say.")] = False
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(description="Least level logged.")] = (
        "info"
    )


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from the environment, with a command line's options on top.

    Args:
        overrides: by field name; None values are left to the environment.

    Raises:
        SettingsError: a value is out of bounds, or a CAN_* variable does not exist.
    """
    _refuse_unknown(os.environ)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as exc:
        lines = [_describe(error) for error in exc.errors()]
        raise SettingsError("; ".join(lines)) from exc


def variable_names() -> list[str]:
    """Every CAN_* variable that is understood."""
    names = []
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            names += [f"{PREFIX}{name}__{inner}".upper() for inner in group.model_fields]
        else:
            names.append(f"{PREFIX}{name}".upper())
    return names


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    """pydantic-settings passes over unknown variables, so that a misspelt one would do nothing, silently."""
    known = variable_names()
    for name in environment:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            close = get_close_matches(name.upper(), known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise SettingsError(f"the variable {name} is not known; {hint}")


def _describe(error: Any) -> str:
    name = "__".join(str(part) for part in error["loc"]).upper()
    return f"{PREFIX}{name}={error['input']!r}: {error['msg']}"
