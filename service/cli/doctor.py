"""What is installed, what would run and why, what is missing and how to get it. Looks; changes nothing."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

from alignment.aligners.selection import choose_aligner
from alignment.aligners.weights.locate import require_weights
from alignment.aligners.whisperx.diarization import PyannoteDiarizer
from alignment.errors import AlignerUnavailableError, AlignmentError
from model.bundle import locate_bundle, read_bundle
from model.errors import ModelError
from model.runtime import EmotionClassifier
from service.errors import ServiceError
from service.settings import Settings, load_settings

State = Literal["ok", "missing", "broken"]
OPTIONAL: Final = {
    "train": ("torch", "onnx", "scikit-learn"),
    "plots": ("matplotlib", "pandas"),
    "client": ("httpx",),
    "telemetry": ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"),
    "cluster": ("ray", "pyarrow", "fsspec"),
}
"""Extras, and the packages that tell whether they are there."""
WHAT_FOR: Final = {
    "train": "training",
    "plots": "--plot and tables",
    "client": "service.client",
    "telemetry": "traces",
    "cluster": "bulk and Ray Serve",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        state: "missing" is optional and not there; "broken" keeps the service from running as it is set.
        detail: what was found, and the way out where something is wrong.
    """

    name: str
    state: State
    detail: str


def installed_version(package: str) -> str | None:
    """Of a distribution; None when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def examine(installed: Callable[[str], str | None] = installed_version) -> list[Finding]:
    """Everything that `can-ser doctor` tells.

    Args:
        installed: tells the version of a package.
    """
    findings = [_finding("can-ser", lambda: f"{installed('can-ser')} on Python {platform.python_version()}")]
    try:
        settings = load_settings()
    except ServiceError as exc:
        return [*findings, Finding("settings", "broken", str(exc))]
    findings.append(Finding("settings", "ok", _changed(settings)))
    findings.append(_finding("network", lambda: _try_network(settings)))
    findings.append(_finding("aligner", lambda: _try_aligner(settings)))
    findings.append(_whisperx(settings, installed))
    findings.append(_diarization(settings))
    findings += _optional(installed)
    return findings


def _finding(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", look())
    except (AlignmentError, ModelError) as exc:
        return Finding(name, "broken", str(exc))


def _changed(settings: Settings) -> str:
    names = sorted(f"CAN_{name.upper()}" for name in settings.model_fields_set)
    return ", ".join(names) or "all at their defaults"


def _try_network(settings: Settings) -> str:
    """Loads the bundle and has it answer once."""
    classifier = EmotionClassifier(read_bundle(locate_bundle(settings.bundle)), settings.provider, settings.threads)
    classifier.warm_up()
    config = classifier.bundle.config
    emotions = ", ".join(config.emotions)
    return f"{config.name} {classifier.bundle.version} ({emotions}) answers on {classifier.provider}"


def _try_aligner(settings: Settings) -> str:
    """Which one would find the words, and why; loads no model."""
    aligner = choose_aligner(settings.aligner, settings.whisperx.config())
    info = aligner.info
    aligner.close()
    return f"{info.name} with {info.model} ({info.reason})"


def _whisperx(settings: Settings, installed: Callable[[str], str | None]) -> Finding:
    try:
        require_weights(settings.whisperx.config())
    except AlignerUnavailableError as exc:
        # When it was asked for by name, the aligner above is what is broken.
        return Finding("whisperx", "missing", f"{exc.reason}; {exc.way_out}")
    return Finding("whisperx", "ok", f"{installed('whisperx')}, with the weights of {settings.whisperx.model}")


def _diarization(settings: Settings) -> Finding:
    try:
        PyannoteDiarizer(settings.whisperx.config()).require()
    except AlignmentError as exc:
        return Finding("speakers", "missing", str(exc))
    return Finding("speakers", "ok", f"{settings.whisperx.diarize_model}, for speakers=diarize")


def _optional(installed: Callable[[str], str | None]) -> Iterator[Finding]:
    for extra, packages in OPTIONAL.items():
        found = {package: installed(package) for package in packages}
        absent = [package for package, number in found.items() if number is None]
        if absent:
            yield Finding(extra, "missing", f"{', '.join(absent)}, for {WHAT_FOR[extra]}: `make install-{extra}`")
        else:
            yield Finding(extra, "ok", ", ".join(f"{package} {number}" for package, number in found.items()))
