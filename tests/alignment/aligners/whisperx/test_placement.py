import pytest

from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.whisperx.placement import Machine, Placement, choose_placement, has_exact_int8
from alignment.errors import AlignerUnavailableError

CPU = frozenset({"float32", "int8", "int8_float32"})
GPU = frozenset({"float32", "float16", "int8", "int8_float16"})
GB = 1_000_000_000


@pytest.mark.parametrize(
    ("free_gpu_bytes", "settings", "placement"),
    [
        (None, {}, ("cpu", "int8")),
        (None, {"compute_type": "float32"}, ("cpu", "float32")),
        (24 * GB, {}, ("cuda", "float16")),
        (24 * GB, {"device": "cpu"}, ("cpu", "int8")),
        (4.5 * GB, {}, ("cuda", "int8_float16")),
        (3 * GB, {}, ("cpu", "int8")),
        (3 * GB, {"device": "cuda"}, ("cuda", "int8_float16")),
    ],
)
def test_placement_follows_the_machine(
    free_gpu_bytes: float | None, settings: dict[str, str], placement: tuple[str, str]
) -> None:
    """With weights of 3 GB, the size of large-v3."""
    machine = Machine(None if free_gpu_bytes is None else int(free_gpu_bytes), CPU, GPU)
    assert choose_placement(WhisperXConfig(**settings), machine, 3 * GB) == Placement(*placement)  # type: ignore[arg-type]


def test_cpu_without_int8_uses_float32() -> None:
    assert choose_placement(WhisperXConfig(), Machine(None, frozenset({"float32"}), GPU), GB).compute_type == "float32"


def test_cpu_with_inexact_int8_uses_float32_unless_int8_is_configured() -> None:
    machine = Machine(None, CPU, GPU, exact_int8=False)
    assert choose_placement(WhisperXConfig(), machine, GB).compute_type == "float32"
    assert choose_placement(WhisperXConfig(compute_type="int8"), machine, GB).compute_type == "int8"


@pytest.mark.parametrize(
    ("types", "architecture", "cpu_info", "exact"),
    [
        (CPU, "x86_64", "flags : fma avx2 sha_ni", False),
        (CPU, "x86_64", "flags : fma avx2 avx512_vnni avx512_bitalg", True),
        (CPU, "x86_64", "flags : avx_vnni avx2", True),
        (CPU | {"int16"}, "x86_64", "flags : avx2", True),
        (CPU, "aarch64", "Features : asimd asimddp", True),
        (CPU, "AMD64", "", False),
    ],
)
def test_exact_int8(types: frozenset[str], architecture: str, cpu_info: str, exact: bool) -> None:
    """int16 is a sign of MKL, whose sums are exact; other libraries of x86 need VNNI."""
    assert has_exact_int8(types, architecture, cpu_info) == exact


def test_unavailable_device_or_type_is_refused() -> None:
    with pytest.raises(AlignerUnavailableError, match="CUDA does not work"):
        choose_placement(WhisperXConfig(device="cuda"), Machine(None, CPU, GPU), GB)
    with pytest.raises(AlignerUnavailableError, match="float32, int8"):
        choose_placement(WhisperXConfig(compute_type="float16"), Machine(None, CPU, GPU), GB)
