"""Environment of a training, as recorded with every fold: versions, processor or GPU, threads, commit."""

import platform
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from os import cpu_count
from pathlib import Path
from typing import Any, Final

import torch

_PACKAGES: Final = ("torch", "numpy", "scipy", "scikit-learn", "onnxruntime", "librosa")
_CPU_INFO: Final = Path("/proc/cpuinfo")
_CODE: Final = Path(__file__).parents[2]


def describe_environment(device: str) -> dict[str, Any]:
    """Everything outside the settings that may change a figure; values are strings, numbers or nested mappings.

    Args:
        device: Training device, as torch names it.
    """
    environment: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": _installed_versions(),
        "device": device,
        "processor": _describe_processor(),
        "cores": cpu_count(),
        "threads": torch.get_num_threads(),
        "commit": find_commit(_CODE),
    }
    if device.startswith("cuda"):
        environment |= {"gpu": torch.cuda.get_device_name(device), "cuda": torch.version.cuda}
    return environment


def describe_in_words(environment: dict[str, Any]) -> str:
    """One line for a report; empty for a fold of an earlier version, which recorded nothing."""
    if not environment:
        return ""
    machine = environment.get("gpu") or f"{environment['processor']}, {environment['cores']} cores"
    packages = ", ".join(f"{name} {number}" for name, number in environment["packages"].items())
    return (
        f"{machine}; threads per fold {environment['threads']}; Python {environment['python']}, {packages}; "
        f"commit {environment['commit']}"
    )


@cache
def find_commit(folder: Path) -> str:
    """Commit of the code, with "+" for changes that are not committed; "unknown" outside a Git checkout."""
    if shutil.which("git") is None:
        return "unknown"
    commit = _run_git(folder, "rev-parse", "--short=12", "HEAD")
    return f"{commit}+" if commit and _run_git(folder, "status", "--porcelain") else commit or "unknown"


def _run_git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else ""


def _installed_versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _describe_processor() -> str:
    lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines() if _CPU_INFO.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
