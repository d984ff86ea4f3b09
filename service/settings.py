"""Deployment settings, from CAN_* variables. None of them changes a feature or a score."""

import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from alignment.aligners.selection import AlignerChoice, EmbeddedConfig
from alignment.user_folders import is_fallback
from service.errors import SettingsError
from service.setting_groups import (
    DAY_S,
    BatchSettings,
    JobSettings,
    LiveSettings,
    PocketSphinxSettings,
    WhisperXSettings,
)
from service.setting_values import (
    Expected,
    Secret,
    describe_errors,
    read_host,
    read_network,
    read_origin,
    read_path,
    read_typed,
)

PREFIX: Final = "CAN_"


class Settings(BaseSettings):
    """All settings; a group is written as in CAN_WHISPERX__MODEL."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        # A traceback would contain secrets otherwise.
        hide_input_in_errors=True,
        # Lists are split by the validator, which accepts commas too.
        enable_decoding=False,
    )

    _as_typed = field_validator("*", mode="before")(classmethod(read_typed))

    host: Annotated[str, Field(description="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535, description="Port to listen on.")] = 8000
    root_path: Annotated[
        str,
        AfterValidator(read_path),
        Expected("a path", "/emotion"),
        Field(
            description="Path under which a proxy serves the service; empty for that of X-Forwarded-Prefix, or none."
        ),
    ] = ""
    forwarded_allow_ips: Annotated[
        tuple[Annotated[str, AfterValidator(read_network), Expected("an address or a network", "10.0.0.0/8")], ...],
        Field(description="Proxies whose X-Forwarded-* headers are trusted, with commas; * for all."),
    ] = ("127.0.0.1", "::1")
    bundle: Annotated[str, Field(description="Name of a shipped bundle, or a folder.")] = "starter"
    bundles: Annotated[
        tuple[str, ...],
        Field(
            description="Several bundles in place of CAN_BUNDLE, with commas; the first is the default, `bundle` in a "
            "request names others."
        ),
    ] = ()
    provider: Annotated[
        Literal["auto", "cpu", "cuda"],
        Field(description="Execution provider of the network; auto is CUDA where it works."),
    ] = "auto"
    threads: Annotated[
        int, Field(ge=1, le=256, description="Threads of one call of the network, or of Moonshine, on a CPU.")
    ] = 1
    scorers: Annotated[
        int,
        Field(
            ge=0,
            le=64,
            description="Worker processes, about 100 MB each, that score small recordings with given words while "
            "several requests are in progress; one per core raises their throughput by a quarter. 0: threads do it.",
        ),
    ] = 0
    aligner: Annotated[
        AlignerChoice, Field(description="auto is WhisperX where it and its weights are installed, else moonshine.")
    ] = "auto"
    pocketsphinx: PocketSphinxSettings = PocketSphinxSettings()
    whisperx: WhisperXSettings = WhisperXSettings()
    batch: BatchSettings = BatchSettings()
    jobs: Annotated[JobSettings, Field(default_factory=JobSettings)]
    live: LiveSettings = LiveSettings()
    max_connections: Annotated[
        int, Field(ge=8, le=1_000_000, description="Open connections; fewer where the process has few descriptors.")
    ] = 1_000
    max_audio_s: Annotated[float, Field(gt=0, le=14_400, description="Longest accepted audio in seconds.")] = 300.0
    max_upload_bytes: Annotated[int, Field(ge=1_000, description="Largest accepted request in bytes.")] = 100_000_000
    upload_idle_s: Annotated[
        float, Field(gt=0, le=DAY_S, description="Seconds without data until an upload gets 408.")
    ] = 20.0
    upload_s: Annotated[float, Field(gt=0, le=DAY_S, description="Longest upload in seconds; then 408.")] = 600.0
    max_uploads: Annotated[int, Field(ge=1, le=10_000, description="Concurrent uploads.")] = 256
    api_keys: Annotated[
        tuple[
            Annotated[
                str,
                Field(pattern=r"^[0-9a-fA-F]{64}$"),
                Expected("a SHA-256 digest of 64 hexadecimal digits", 64 * "0"),
            ],
            ...,
        ],
        Field(description="Digests of the accepted keys, from `can-ser key`, with commas; empty: no key is required."),
        Secret("unset the variable, then `can-ser key` prints the line for it"),
    ] = ()
    key_requests_per_minute: Annotated[
        int | None,
        Field(
            ge=1,
            le=100_000,
            description="Requests of each key in any 60 s; so many may arrive at once. Unset: no limit.",
        ),
    ] = None
    key_share: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="Share of the limits of uploads, requests, jobs, results and live connections for a key.",
        ),
    ] = 0.5
    metrics: Annotated[
        Literal["key", "open", "off"],
        Field(description="/metrics: with a key where keys are required, without one for everybody, or not at all."),
    ] = "key"
    origins: Annotated[
        tuple[Annotated[str, AfterValidator(read_origin), Expected("an origin", "https://example.org")], ...],
        Field(description="Origins whose pages may send requests, with commas: https://a.example,https://b.example."),
    ] = ()
    allowed_hosts: Annotated[
        tuple[Annotated[str, AfterValidator(read_host), Expected("a host name", "can.example.org")], ...],
        Field(
            description="Further names in `Host` where no key is required, with commas: can.example.org, "
            "*.example.org, or * for all."
        ),
    ] = ()
    max_waiting: Annotated[int, Field(ge=1, le=10_000, description="Requests processed or waiting at once.")] = 64
    deadline_s: Annotated[
        float, Field(gt=0, le=DAY_S, description="Longest processing of a request in seconds; then 504.")
    ] = 120.0
    uncertain_below: Annotated[
        float, Field(ge=0, le=1, description="Probability under which an emotion is marked as uncertain.")
    ] = 0.5
    traces: Annotated[bool, Field(description="Export OpenTelemetry traces, as the OTEL_* variables configure.")] = (
        False
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="Lowest level that is logged; libraries log no more than at info."),
    ] = "info"

    @property
    def bundle_names(self) -> tuple[str, ...]:
        """Names or folders of the served bundles, the default first."""
        return self.bundles or (self.bundle,)

    @property
    def names_bundles(self) -> bool:
        """Whether the operator has named the served bundles."""
        return bool(self.bundles) or "bundle" in self.model_fields_set

    def owner_limit(self, limit: int) -> int:
        """The part of a limit that one API key may use; all of it where there is only one key."""
        return max(1, round(limit * self.key_share)) if len(self.api_keys) > 1 and limit else limit

    def temporary_folders(self) -> dict[str, str]:
        """Folders by variable that are in the temporary folder, because the user has no home folder."""
        folders = {"CAN_JOBS__FOLDER": self.jobs.folder, "CAN_WHISPERX__WEIGHTS": self.whisperx.config().folder}
        return {name: str(folder) for name, folder in folders.items() if is_fallback(folder)}

    def embedded_config(self) -> EmbeddedConfig:
        """Configuration of the embedded aligners."""
        return EmbeddedConfig(self.pocketsphinx.workers, self.threads)


def load_settings(overrides: Mapping[str, Any] | None = None, *, prefix: str = "--") -> Settings:
    """Settings from the environment, overridden by the options of a command line; an empty variable counts as unset.

    Args:
        overrides: Values by field name; None values are ignored.
        prefix: Start of the names of options in messages.

    Raises:
        SettingsError: A value is out of bounds, a CAN_* variable does not exist, or two exclude each other; a line for
            each.
    """
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    lines = list(_unknown(os.environ))
    if "bundle" in given:
        given["bundles"] = ()
    elif "bundles" not in given and os.environ.get("CAN_BUNDLE") and os.environ.get("CAN_BUNDLES"):
        lines.append("CAN_BUNDLE and CAN_BUNDLES exclude each other; set CAN_BUNDLES alone, its first is the default")
    try:
        settings = Settings(**given)
    except ValidationError as exc:
        lines += describe_errors(exc, Settings, lambda path: _label(path, given, prefix))
    except FileNotFoundError as exc:
        lines.append(f"{exc.strerror}; set TMPDIR to a folder that can be written to")
    if lines:
        # Without the error of pydantic, which contains the values.
        raise SettingsError("\n".join(lines)) from None
    return settings


def _label(path: tuple[str, ...], given: Mapping[str, Any], prefix: str) -> str:
    """The option or the variable of a setting."""
    if path[0] in given:
        return f"{prefix}{path[-1].replace('_', '-') if prefix else path[-1]}"
    return f"{PREFIX}{'__'.join(path)}".upper()


def name_bundles(names: Sequence[str]) -> dict[str, Any]:
    """Overrides of `load_settings` that serve the named bundles; none where none are named."""
    if len(names) > 1:
        return {"bundles": tuple(names)}
    return {"bundle": names[0]} if names else {}


def variable_names() -> list[str]:
    """All known CAN_* variables."""
    names = []
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            names += [f"{PREFIX}{name}__{inner}".upper() for inner in group.model_fields]
        else:
            names.append(f"{PREFIX}{name}".upper())
    return names


def _unknown(environment: Mapping[str, str]) -> Iterator[str]:
    """Lines about unknown CAN_* variables, which pydantic-settings ignores; without values, which may be secret."""
    known = variable_names()
    for name in environment:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            close = get_close_matches(name.upper(), known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known variables are {', '.join(known)}"
            yield f"the variable {name} is unknown; {hint}"
