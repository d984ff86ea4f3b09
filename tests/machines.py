"""Python environments that hold only the packages of a lock file."""

import re
import site
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from tests.builders import ROOT

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==[^;\\]+(?:;([^\\]*))?", re.M)


def install_links(lock: Path, folder: Path) -> Path:
    """Fill a folder with links to the packages of a lock file and to the metadata of this project."""
    names = [name for name, _ in _PINNED.findall(lock.read_text(encoding="utf-8"))]
    installed = Path(site.getsitepackages()[0])
    for name in [*names, "can-ser"]:
        try:
            files = distribution(name).files or []
        except ModuleNotFoundError:
            continue  # The package is for other platforms.
        for top in {file.parts[0] for file in files if file.parts[0] not in {"..", "__pycache__"}}:
            link = folder / top
            if not link.exists() and not top.endswith(".pth"):
                link.symlink_to(installed / top)
    return folder


def run_isolated(packages: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these packages and this project only."""
    path = {"PYTHONPATH": f"{packages}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(packages)}
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        env=path | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
