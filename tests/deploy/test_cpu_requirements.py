"""docker/cpu_requirements.py with a program in place of uv, which records how it is called."""

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.builders import ROOT

SCRIPT = ROOT / "docker" / "cpu_requirements.py"
LOCK = """\
# a comment
httpx==0.28.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via whisperx
nvidia-cudnn-cu12==9.10.2.21 ; sys_platform == 'linux' \\
    --hash=sha256:cc
torch==2.8.0 \\
    --hash=sha256:dd
torchaudio==2.8.0 ; sys_platform == 'linux' \\
    --hash=sha256:ee
triton==3.4.0 \\
    --hash=sha256:ff
"""
FAKE_UV = """\
#!{python}
import json, os, sys
locked = sys.stdin.read() if "-r" in sys.argv else ""
with open({calls!r}, "a") as file:
    print(json.dumps([sys.argv[1:], locked, os.environ.get("UV_HTTP_RETRIES")]), file=file)
sys.exit(1 if os.environ.get("UNREACHABLE") and "--torch-backend" in sys.argv else 0)
"""
NOTICE = "PyTorch's index of CPU-only wheels cannot be used; the wheels with CUDA are installed: 3 GB more"
TORCH = ["torch==2.8.0", "torchaudio==2.8.0"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of uv: its arguments, and the list of packages on its standard input."""

    arguments: list[str]
    locked: str
    retries: str | None

    @property
    def names(self) -> list[str]:
        """Packages of the list."""
        return [line.split("==")[0] for line in self.locked.splitlines() if not line.startswith(" ")]


class Installation:
    """The script, called as the Dockerfile calls it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder, self._patch = folder, patch
        program = folder / "bin" / "uv"
        program.parent.mkdir()
        program.write_text(FAKE_UV.format(python=sys.executable, calls=str(folder / "calls")))
        program.chmod(0o755)
        (folder / "lock.txt").write_text(LOCK)
        patch.setenv("PATH", str(program.parent))

    def run(self, *arguments: str, **environment: str) -> list[Call]:
        """Install the lock file; return the calls of uv."""
        for name in ("TORCH_BACKEND", "TORCH_CPU_INDEX"):
            self._patch.delenv(name, raising=False)
        for name, value in environment.items():
            self._patch.setenv(name, value)
        self._patch.setattr(sys, "argv", [str(SCRIPT), str(self._folder / "lock.txt"), *arguments])
        load_script().main()
        lines = (self._folder / "calls").read_text().splitlines()
        return [Call(*json.loads(line)) for line in lines]


def load_script() -> Any:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("cpu_requirements", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    return Installation(tmp_path, monkeypatch)


def test_cpu_torch_comes_from_its_index(installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    torch, others = installation.run(TORCH_BACKEND="cpu")
    assert torch.arguments[-4:] == ["--torch-backend", "cpu", *TORCH]
    assert torch.retries == "1"
    assert others.names == ["httpx"]
    assert "--require-hashes" in others.arguments
    assert "--hash=sha256:bb" in others.locked
    assert NOTICE not in capsys.readouterr().out


def test_unreachable_index_leads_to_the_locked_wheels(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    refused, locked = installation.run(TORCH_BACKEND="cpu", UNREACHABLE="1")
    assert "--torch-backend" in refused.arguments
    assert locked.names == ["httpx", "nvidia-cudnn-cu12", "torch", "torchaudio"]
    assert "--require-hashes" in locked.arguments
    assert "--torch-backend" not in locked.arguments
    assert capsys.readouterr().out.splitlines() == [NOTICE, "0 libraries for GPUs removed"]


def test_empty_backend_selects_the_locked_wheels(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    [locked] = installation.run(TORCH_BACKEND="")
    assert locked.names == ["httpx", "nvidia-cudnn-cu12", "torch", "torchaudio"]
    assert NOTICE not in capsys.readouterr().out


def test_other_index_precedes_the_backend(installation: Installation) -> None:
    torch, others = installation.run(TORCH_BACKEND="cpu", TORCH_CPU_INDEX="https://wheels.example.org/cpu")
    assert torch.arguments[-4:] == ["--index-url", "https://wheels.example.org/cpu", *TORCH]
    assert others.names == ["httpx"]


def test_layer_without_torch_leaves_that_of_the_image(installation: Installation) -> None:
    [others] = installation.run("--without-torch", TORCH_BACKEND="cpu")
    assert others.names == ["httpx"]


def test_only_libraries_of_gpus_are_removed(tmp_path: Path) -> None:
    gpu = {
        "nvidia/cudnn/lib/libcudnn_ops.so.9",
        "nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
        "nvidia/cuda_cupti/lib/libnvperf_host.so",
        "nvidia/cusolver/lib/libcusolverMg.so.11",
        "torch/lib/libtorch_cuda_linalg.so",
    }
    # libtorch_cuda.so is linked to these.
    linked = {
        "nvidia/cudnn/lib/libcudnn.so.9",
        "nvidia/cusolver/lib/libcusolver.so.11",
        "nvidia/cuda_cupti/lib/libcupti.so.12",
        "torch/lib/libtorch_cuda.so",
    }
    for name in gpu | linked:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    removed = {str(path.relative_to(tmp_path)) for path in load_script().remove_gpu_libraries(tmp_path)}
    assert removed == gpu
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.so*")} == linked
