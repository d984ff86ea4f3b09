"""Python environments that hold only the packages of a lock file."""

import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.builders import ROOT

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==[^;\\]+(?:;([^\\]*))?", re.M)


def install_links(lock: Path, folder: Path) -> Path:
    """Fill a folder with links to the packages of a lock file and to the metadata of this project."""
    names = [name for name, _ in _PINNED.findall(lock.read_text(encoding="utf-8"))]
    return link_packages([*names, "can-ser"], folder)


def link_packages(names: Iterable[str], folder: Path) -> Path:
    """Fill a folder with links to installed packages; names for other platforms are skipped."""
    for name in names:
        try:
            package = distribution(name)
        except ModuleNotFoundError:
            continue
        for top in {file.parts[0] for file in package.files or [] if file.parts[0] not in {"..", "__pycache__"}}:
            link = folder / top
            if not link.exists() and not top.endswith(".pth"):
                link.symlink_to(Path(str(package.locate_file(top))))
    return folder


def list_requirements(requirements: Iterable[str]) -> set[str]:
    """Names of installed packages that requirements need on this platform, without extras."""
    names: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        if requirement.name not in names and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            names.add(requirement.name)
            waiting += [Requirement(text) for text in distribution(requirement.name).requires or []]
    return names


def run_isolated(packages: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these packages and this project only."""
    path = {
        "PYTHONPATH": f"{packages}:{ROOT}:{ROOT / 'clients' / 'python'}",
        "PATH": "/usr/bin:/bin",
        "HOME": str(packages),
    }
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        env=path | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
