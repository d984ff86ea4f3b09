"""Choice of device and compute type by the machine's capabilities."""

import platform
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alignment.aligners.weights.config import NAME, WhisperXConfig
from alignment.errors import AlignerUnavailableError

# Activations of a batch, the alignment model and CUDA's own memory, in addition to the weights; a safe estimate.
_RESERVED_BYTES: Final = 2_500_000_000
_CPU_INFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Placement:
    """Device and CTranslate2's compute type on it."""

    device: str
    compute_type: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Devices and compute types of a machine.

    Attributes:
        free_gpu_bytes: Free memory of the first GPU; None where CUDA does not work.
        cpu_types: CTranslate2's compute types on this CPU.
        gpu_types: CTranslate2's compute types on the GPU.
        exact_int8: See `has_exact_int8`.
    """

    free_gpu_bytes: int | None
    cpu_types: frozenset[str]
    gpu_types: frozenset[str]
    exact_int8: bool = True


def inspect_machine() -> Machine:
    """Capabilities of this machine."""
    import ctranslate2
    import torch

    works = torch.cuda.is_available() and ctranslate2.get_cuda_device_count() > 0
    cpu_types = frozenset(ctranslate2.get_supported_compute_types("cpu"))
    return Machine(
        torch.cuda.mem_get_info()[0] if works else None,
        cpu_types,
        frozenset(ctranslate2.get_supported_compute_types("cuda")) if works else frozenset(),
        has_exact_int8(cpu_types, platform.machine(), _CPU_INFO.read_text() if _CPU_INFO.exists() else ""),
    )


def has_exact_int8(types: Collection[str], architecture: str, cpu_info: str) -> bool:
    """Whether sums of 8-bit products are exact on a CPU.

    CTranslate2 multiplies with oneDNN where it does not use MKL, that is on processors of AMD. Without the instructions
    called VNNI, oneDNN adds pairs of products in 16 bits, with saturation ("Nuances of int8 Computations" in its
    documentation), and words are recognised wrongly; `python -m benchmarks.compute_types` measures it.

    Args:
        types: CTranslate2's compute types on the CPU; only MKL offers int16.
        architecture: Name of the architecture, as of `platform.machine`.
        cpu_info: Content of /proc/cpuinfo; empty where there is none.
    """
    is_x86 = architecture.lower() in {"x86_64", "amd64"}
    return "int16" in types or not is_x86 or bool(re.search(r"\bavx(512)?_vnni\b", cpu_info))


def choose_device(config: WhisperXConfig) -> str:
    """Device of a network that runs in addition to Whisper.

    Raises:
        AlignerUnavailableError: CUDA is configured and not available.
    """
    import torch

    works = torch.cuda.is_available()
    if config.device == "cuda" and not works:
        raise _no_cuda()
    return "cuda" if works and config.device != "cpu" else "cpu"


def choose_placement(config: WhisperXConfig, machine: Machine, weights_bytes: int) -> Placement:
    """Device and compute type of Whisper.

    Args:
        config: "auto" leaves the choice to this function.
        machine: See `inspect_machine`.
        weights_bytes: Size of model.bin, which holds 16-bit numbers.

    Returns:
        On a GPU float16 where it fits into the free memory, else int8 with float16. On a CPU, also where no GPU has
        enough memory, int8 where it is exact, else float32.

    Raises:
        AlignerUnavailableError: CUDA or a compute type is configured and not available.
    """
    if config.device == "cuda" and machine.free_gpu_bytes is None:
        raise _no_cuda()
    device = "cpu" if config.device == "cpu" or machine.free_gpu_bytes is None else "cuda"
    if device == "cuda" and config.device == "auto" and not _fitting_type(machine, weights_bytes):
        device = "cpu"
    offered = machine.gpu_types if device == "cuda" else machine.cpu_types
    if config.compute_type != "auto":
        if config.compute_type not in offered:
            reason = f"no compute type {config.compute_type!r} on {device}"
            raise AlignerUnavailableError(NAME, reason, f"choose one of {', '.join(sorted(offered))}")
        return Placement(device, config.compute_type)
    if device == "cuda":
        return Placement(device, _fitting_type(machine, weights_bytes) or "int8_float16")
    return Placement(device, "int8" if "int8" in offered and machine.exact_int8 else "float32")


def _fitting_type(machine: Machine, weights_bytes: int) -> str | None:
    """Best compute type that fits into the GPU's free memory."""
    free_bytes = (machine.free_gpu_bytes or 0) - _RESERVED_BYTES
    needs = {"float16": weights_bytes, "int8_float16": weights_bytes // 2, "int8": weights_bytes // 2}
    return next((kind for kind, size in needs.items() if kind in machine.gpu_types and size <= free_bytes), None)


def _no_cuda() -> AlignerUnavailableError:
    return AlignerUnavailableError(NAME, "CUDA does not work here", "set CAN_WHISPERX__DEVICE=auto or cpu")
