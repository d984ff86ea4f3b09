"""Sessions of ONNX Runtime with the options that a service needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

Provider = Literal["auto", "cpu", "cuda"]
CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"


def list_providers(provider: Provider) -> list[str]:
    """Execution providers in order of preference; "auto" is CUDA where this installation has it."""
    import onnxruntime

    has_cuda = CUDA in onnxruntime.get_available_providers()
    return [CUDA, CPU] if provider == "cuda" or (provider == "auto" and has_cuda) else [CPU]


def open_session(path: Path, threads: int = 1, providers: Sequence[str] = (CPU,)) -> Any:
    """Load a graph in ONNX or ORT format.

    Args:
        path: File of the graph.
        threads: Threads of one call on a CPU.
        providers: Execution providers in order of preference.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The arena would never release the memory of the largest request.
    options.enable_cpu_mem_arena = False
    # Spinning idle threads would compete with other work for cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
