"""Choice of device and compute type by the machine's capabilities."""

from dataclasses import dataclass
from typing import Final

from alignment.aligners.weights.config import NAME, WhisperXConfig
from alignment.errors import AlignerUnavailableError

# Activations of a batch, the alignment model and CUDA's own memory, in addition to the weights; a safe estimate.
_RESERVED_BYTES: Final = 2_500_000_000


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
    """

    free_gpu_bytes: int | None
    cpu_types: frozenset[str]
    gpu_types: frozenset[str]


def inspect_machine() -> Machine:
    """Capabilities of this machine."""
    import ctranslate2
    import torch

    works = torch.cuda.is_available() and ctranslate2.get_cuda_device_count() > 0
    return Machine(
        torch.cuda.mem_get_info()[0] if works else None,
        frozenset(ctranslate2.get_supported_compute_types("cpu")),
        frozenset(ctranslate2.get_supported_compute_types("cuda")) if works else frozenset(),
    )


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
        On a GPU float16 where it fits into the free memory, else int8 with float16; on a CPU int8, also where no GPU
        has enough memory.

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
    return Placement(device, "int8" if "int8" in offered else "float32")


def _fitting_type(machine: Machine, weights_bytes: int) -> str | None:
    """Best compute type that fits into the GPU's free memory."""
    free_bytes = (machine.free_gpu_bytes or 0) - _RESERVED_BYTES
    needs = {"float16": weights_bytes, "int8_float16": weights_bytes // 2, "int8": weights_bytes // 2}
    return next((kind for kind, size in needs.items() if kind in machine.gpu_types and size <= free_bytes), None)


def _no_cuda() -> AlignerUnavailableError:
    return AlignerUnavailableError(NAME, "CUDA does not work here", "set CAN_WHISPERX__DEVICE=auto or cpu")
