"""Where the models run and with which numbers, by what the machine has."""

from dataclasses import dataclass
from typing import Final

from alignment.aligners.weights.config import NAME, WhisperXConfig
from alignment.errors import AlignerUnavailableError

# Activations of a batch, the alignment model and CUDA's own needs, beside the weights; an estimate on the safe side.
_BESIDE_WEIGHTS_BYTES: Final = 2_500_000_000


@dataclass(frozen=True, slots=True)
class Placement:
    """A device and CTranslate2's compute type on it."""

    device: str
    compute_type: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to choose from.

    Attributes:
        free_gpu_bytes: of the first GPU; None where CUDA does not work.
        cpu_types: compute types that CTranslate2 offers on this CPU.
        gpu_types: and on the GPU.
    """

    free_gpu_bytes: int | None
    cpu_types: frozenset[str]
    gpu_types: frozenset[str]


def look_at_machine() -> Machine:
    """This one."""
    import ctranslate2
    import torch

    works = torch.cuda.is_available() and ctranslate2.get_cuda_device_count() > 0
    return Machine(
        torch.cuda.mem_get_info()[0] if works else None,
        frozenset(ctranslate2.get_supported_compute_types("cpu")),
        frozenset(ctranslate2.get_supported_compute_types("cuda")) if works else frozenset(),
    )


def choose_device(config: WhisperXConfig) -> str:
    """Where a network runs that comes beside the others.

    Raises:
        AlignerUnavailableError: CUDA was asked for and is not there.
    """
    import torch

    works = torch.cuda.is_available()
    if config.device == "cuda" and not works:
        raise _no_cuda()
    return "cuda" if works and config.device != "cpu" else "cpu"


def choose_placement(config: WhisperXConfig, machine: Machine, weights_bytes: int) -> Placement:
    """Where and how to run.

    Args:
        config: "auto" leaves the choice to this function.
        machine: see `look_at_machine`.
        weights_bytes: of model.bin, which holds 16-bit numbers.

    Returns:
        On a GPU float16 where it fits into the free memory, else int8 with float16; a CPU with int8 where no GPU has
        the room.

    Raises:
        AlignerUnavailableError: CUDA or a compute type was asked for that is not there.
    """
    if config.device == "cuda" and machine.free_gpu_bytes is None:
        raise _no_cuda()
    device = "cpu" if config.device == "cpu" or machine.free_gpu_bytes is None else "cuda"
    if device == "cuda" and config.device == "auto" and not _fitting_type(machine, weights_bytes):
        device = "cpu"
    offered = machine.gpu_types if device == "cuda" else machine.cpu_types
    if config.compute_type != "auto":
        if config.compute_type not in offered:
            raise AlignerUnavailableError(
                NAME,
                f"no compute type {config.compute_type!r} on {device}",
                f"choose one of {', '.join(sorted(offered))}",
            )
        return Placement(device, config.compute_type)
    if device == "cuda":
        return Placement(device, _fitting_type(machine, weights_bytes) or "int8_float16")
    return Placement(device, "int8" if "int8" in offered else "float32")


def _fitting_type(machine: Machine, weights_bytes: int) -> str | None:
    """The best compute type for which the GPU has room."""
    free_bytes = (machine.free_gpu_bytes or 0) - _BESIDE_WEIGHTS_BYTES
    needs = {"float16": weights_bytes, "int8_float16": weights_bytes // 2, "int8": weights_bytes // 2}
    return next((kind for kind, size in needs.items() if kind in machine.gpu_types and size <= free_bytes), None)


def _no_cuda() -> AlignerUnavailableError:
    return AlignerUnavailableError(NAME, "CUDA does not work here", "set CAN_WHISPERX__DEVICE=auto or cpu")
