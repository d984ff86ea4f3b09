"""Install a lock file into /opt/venv for a CPU: `python cpu_requirements.py LIST [--without-torch]`.

PyPI's torch for Linux includes CUDA. TORCH_BACKEND=cpu installs the same version from PyTorch's own index of CPU-only
wheels, which uv knows; they have other hashes than the locked ones, so that their hashes are not checked. Where that
index cannot be reached, or TORCH_BACKEND is empty, the locked wheels are installed, without the libraries that are only
loaded on a GPU. TORCH_CPU_INDEX is the address of another index of CPU-only wheels. Triton compiles kernels for GPUs
and is always omitted.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TORCH = re.compile(r"^(torch|torchaudio|torchvision|torchcodec)==([^ ;]+)")
NVIDIA = re.compile(r"^nvidia-")
TRITON = re.compile(r"^triton==")
INSTALL = ["uv", "pip", "install", "--python", "/opt/venv/bin/python", "--no-deps", "--compile-bytecode"]
PACKAGES = Path("/opt/venv/lib/python3.11/site-packages")
# libtorch_cuda.so is linked to the other libraries, so that torch cannot be imported without them.
LOADED_ON_A_GPU = (
    "nvidia/cudnn/lib/libcudnn_*.so.*",
    "nvidia/cuda_nvrtc/lib/*.so.*",
    "nvidia/cuda_cupti/lib/libnvperf_*.so",
    "nvidia/cusolver/lib/libcusolverMg.so.*",
    "torch/lib/libtorch_cuda_linalg.so",
)


def read_entries(path: Path) -> list[str]:
    """Entry of each package: its line and the hashes that follow."""
    entries: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            entries.append(line)
        elif entries and line.strip().startswith("--hash"):
            entries[-1] += "\n" + line
    return entries


def install_cpu_torch(names: list[str]) -> bool:
    """Install CPU-only torch from an index of its own; False where there is none."""
    index, backend = os.environ.get("TORCH_CPU_INDEX", ""), os.environ.get("TORCH_BACKEND", "")
    if index:
        subprocess.run([*INSTALL, "--index-url", index, *names], check=True)  # noqa: S603
        return True
    if not backend:
        return False
    environment = os.environ | {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "1"}
    command = [*INSTALL, "--torch-backend", backend, *names]
    done = subprocess.run(command, env=environment, check=False)  # noqa: S603
    if done.returncode:
        print("PyTorch's index of CPU-only wheels cannot be used; the wheels with CUDA are installed: 3 GB more")  # noqa: T201
    return done.returncode == 0


def remove_gpu_libraries(packages: Path = PACKAGES) -> Iterator[Path]:
    """Delete the libraries that are only loaded on a GPU."""
    for pattern in LOADED_ON_A_GPU:
        for path in packages.glob(pattern):
            path.unlink()
            yield path


def main() -> None:
    """Install the packages."""
    path, without_torch = Path(sys.argv[1]), "--without-torch" in sys.argv
    entries = [entry for entry in read_entries(path) if not TRITON.match(entry)]
    versions = [match.groups() for entry in entries if (match := TORCH.match(entry))]
    from_index = not without_torch and install_cpu_torch([f"{name}=={version}" for name, version in versions])
    if from_index or without_torch:
        entries = [entry for entry in entries if not TORCH.match(entry) and not NVIDIA.match(entry)]
    chosen = "\n".join(entries).encode()
    subprocess.run([*INSTALL, "--require-hashes", "-r", "-"], input=chosen, check=True)  # noqa: S603
    removed = list(remove_gpu_libraries())
    print(f"{len(removed)} libraries for GPUs removed")  # noqa: T201


if __name__ == "__main__":
    main()
