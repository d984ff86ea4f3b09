"""Another machine, as far as Python sees: one on which only a lock file's packages are installed."""

import re
import site
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).parent.parent
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==[^;\\]+(?:;([^\\]*))?", re.M)


def install_links(lock: Path, folder: Path) -> Path:
    """Fills a folder with links to the packages that a lock file names, and to this project's own metadata."""
    names = [name for name, _ in _PINNED.findall(lock.read_text(encoding="utf-8"))]
    there = Path(site.getsitepackages()[0])
    for name in [*names, "can-ser"]:
        try:
            files = distribution(name).files or []
        except ModuleNotFoundError:
            continue  # A package of other platforms.
        for top in {file.parts[0] for file in files if file.parts[0] not in {"..", "__pycache__"}}:
            link = folder / top
            if not link.exists() and not top.endswith(".pth"):
                link.symlink_to(there / top)
    return folder


def run_there(packages: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with these packages and this project alone."""
    path = {"PYTHONPATH": f"{packages}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(packages)}
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        env=path | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
