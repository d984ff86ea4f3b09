"""Install a lock file into /opt/venv for a CPU: `python cpu_requirements.py LIST [--without-torch]`.

Triton compiles kernels for GPUs and is omitted. TORCH_CPU_INDEX, where set, is the address of an index of CPU-only
torch, with other hashes than the locked ones: torch is then installed from there, without dependencies, and the nvidia
packages are omitted.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

TORCH = re.compile(r"^(torch|torchaudio|torchvision|torchcodec)==([^ ;]+)")
NVIDIA = re.compile(r"^nvidia-")
TRITON = re.compile(r"^triton==")
INSTALL = ["uv", "pip", "install", "--python", "/opt/venv/bin/python", "--no-deps", "--compile-bytecode"]


def read_entries(path: Path) -> list[str]:
    """Entry of each package: its line and the hashes that follow."""
    entries: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            entries.append(line)
        elif entries and line.strip().startswith("--hash"):
            entries[-1] += "\n" + line
    return entries


def main() -> None:
    """Install the packages."""
    path, without_torch = Path(sys.argv[1]), "--without-torch" in sys.argv
    entries = [entry for entry in read_entries(path) if not TRITON.match(entry)]
    index = os.environ.get("TORCH_CPU_INDEX", "")
    if index or without_torch:
        versions = [match.groups() for entry in entries if (match := TORCH.match(entry))]
        entries = [entry for entry in entries if not TORCH.match(entry) and not NVIDIA.match(entry)]
        if index and not without_torch:
            names = [f"{name}=={version}" for name, version in versions]
            subprocess.run([*INSTALL, "--index-url", index, *names], check=True)  # noqa: S603
    chosen = "\n".join(entries).encode()
    subprocess.run([*INSTALL, "--require-hashes", "-r", "-"], input=chosen, check=True)  # noqa: S603


if __name__ == "__main__":
    main()
