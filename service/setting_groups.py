"""Groups of settings: aligners, batches, jobs, live connections."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from alignment.aligners.weights.config import VadChoice, WhisperXConfig
from alignment.user_folders import state_folder
from service.setting_values import Expected, Secret, check_callback_host, read_subnet, read_typed

# Timers of the event loop and of threads overflow at far longer times.
DAY_S: Final = 86_400


class SettingGroup(BaseModel):
    """Settings whose variables begin with the name of the group."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    _as_typed = field_validator("*", mode="before")(classmethod(read_typed))


class PocketSphinxSettings(SettingGroup):
    """PocketSphinx, which aligns the words of Moonshine, or recognises words itself."""

    workers: Annotated[
        int, Field(ge=1, le=64, description="Worker processes, about 50 MB each, 130 MB where they recognise words.")
    ] = 2


class WhisperXSettings(SettingGroup):
    """The WhisperX aligner."""

    model: Annotated[str, Field(description="Whisper model in CTranslate2 format: a folder or a name.")] = "small.en"
    align_model: Annotated[
        str, Field(description="wav2vec 2.0 model: a folder or a name; empty for the default of the language.")
    ] = ""
    language: Annotated[str, Field(min_length=2, max_length=4, description="ISO 639-1 code; auto detects it.")] = "en"
    weights: Annotated[
        str, Field(description="Folder that `can-ser fetch` fills; empty for the cache of the user.")
    ] = ""
    vad: Annotated[VadChoice, Field(description="Speech detection: silero, pyannote (slow), or none.")] = "silero"
    numerals: Annotated[
        bool, Field(description="Let Whisper write numbers as digits; spelled out, they are aligned better.")
    ] = False
    window_s: Annotated[float, Field(ge=1, le=30, description="Longest audio in one Whisper window.")] = 30.0
    device: Annotated[Literal["auto", "cpu", "cuda"], Field(description="Device of both models.")] = "auto"
    compute_type: Annotated[
        str,
        Field(
            description="Compute type of CTranslate2; auto is float16 on a GPU; on a CPU int8, or float32 where int8 "
            "is not exact."
        ),
    ] = "auto"
    batch_size: Annotated[int, Field(ge=1, le=256, description="Windows decoded together.")] = 8
    threads: Annotated[int, Field(ge=1, le=256, description="Threads of one call on a CPU.")] = 2
    diarize_model: Annotated[str, Field(description="Diarization pipeline (speakers=diarize): a folder or a name.")] = (
        "pyannote/speaker-diarization-community-1"
    )
    unload_after_s: Annotated[
        float,
        Field(
            ge=0,
            le=DAY_S,
            description="Seconds without use until the models are unloaded; the next request loads them. 0 keeps them.",
        ),
    ] = 0.0

    def config(self) -> WhisperXConfig:
        """Configuration of the aligner."""
        return WhisperXConfig(**self.model_dump())


class BatchSettings(SettingGroup):
    """Batches of requests that the network scores in one call."""

    max_requests: Annotated[int, Field(ge=1, le=1_024, description="Requests in one batch; 1 disables batches.")] = 32
    linger_ms: Annotated[
        float, Field(ge=0, le=1_000, description="Longest wait for more requests, only while some are being prepared.")
    ] = 2.0


class JobSettings(SettingGroup):
    """Jobs: long recordings, analysed in the background."""

    folder: Path = Field(
        default_factory=lambda: state_folder() / "jobs",
        description="Folder of jobs and their recordings, for one service; created at the start.",
    )
    workers: Annotated[int, Field(ge=1, le=64, description="Jobs processed at once.")] = 1
    max_waiting: Annotated[int, Field(ge=1, le=100_000, description="Jobs waiting or running.")] = 100
    max_files: Annotated[
        int, Field(ge=1, le=1_000, description="Recordings of one request, each of which becomes a job.")
    ] = 20
    max_audio_s: Annotated[float, Field(gt=0, le=86_400, description="Longest accepted audio in seconds.")] = 14_400.0
    max_upload_bytes: Annotated[
        int, Field(ge=1_000, description="Largest accepted recording in bytes, or recordings of one request.")
    ] = 1_000_000_000
    keep_s: Annotated[
        float, Field(gt=0, le=315_360_000, description="Seconds after its end until a job is deleted.")
    ] = 86_400.0
    keep_bytes: Annotated[
        int, Field(ge=1_000_000, description="Bytes of all results; then the jobs that ended first are deleted.")
    ] = 2_000_000_000
    max_reads: Annotated[int, Field(ge=1, le=10_000, description="Results sent to clients at once.")] = 16
    callback_hosts: Annotated[
        tuple[
            Annotated[
                str,
                AfterValidator(check_callback_host),
                Expected("a host with an optional port up to 65535", "hooks.example.org"),
            ],
            ...,
        ],
        Field(
            description="Hosts to which callbacks may be sent, with commas: hooks.example.org, *.example.org for "
            "subdomains, http://app:9000 for one without TLS; empty: no callbacks."
        ),
    ] = ()
    callback_networks: Annotated[
        tuple[Annotated[str, AfterValidator(read_subnet), Expected("an address or a network", "10.0.0.0/8")], ...],
        Field(description="Networks of these hosts in addition to public addresses, with commas: 10.0.0.0/8,::1."),
    ] = ()
    callback_secret: Annotated[
        SecretStr,
        Field(
            description="Secret that signs callbacks, from `can-ser key --callback`; two, separated by a space, while "
            "one replaces the other."
        ),
        Secret("`can-ser key --callback` creates one"),
    ] = SecretStr("")
    callback_attempts: Annotated[int, Field(ge=1, le=20, description="Attempts to send a callback.")] = 8
    callback_retry_s: Annotated[
        float,
        Field(
            gt=0,
            le=3_600,
            description="Longest wait for the second attempt; each further one is four times as long, up to an hour.",
        ),
    ] = 5.0
    callback_timeout_s: Annotated[
        float, Field(gt=0, le=60, description="Longest time of one attempt to send a callback.")
    ] = 10.0


class LiveSettings(SettingGroup):
    """Live connections (WebSocket /stream)."""

    max_connections: Annotated[
        int, Field(ge=0, le=10_000, description="Concurrent connections; 0 disables live speech.")
    ] = 16
    max_frame_bytes: Annotated[int, Field(ge=2, le=16_000_000, description="Largest message in bytes.")] = 262_144
    max_audio_s: Annotated[float, Field(gt=0, le=DAY_S, description="Longest audio of one connection in seconds.")] = (
        3_600.0
    )
    idle_s: Annotated[
        float, Field(gt=0, le=DAY_S, description="Seconds without a message until a connection is closed.")
    ] = 30.0
