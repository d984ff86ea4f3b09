"""Memory that libraries keep for themselves after it was freed."""

import ctypes
import gc
import sys
from functools import cache
from typing import Any


def return_memory() -> None:
    """Return freed memory to the system, where the C library can (glibc); other threads of Python run meanwhile."""
    trim = _find_trim()
    if trim is not None:
        trim(0)


def collect_memory() -> None:
    """Free what only cycles refer to, then return the memory to the system.

    An error of cancelled work refers to the frames that it passed through, with the samples in them, and these to it.
    """
    gc.collect()
    return_memory()


def return_gpu_memory() -> None:
    """Return freed memory of a GPU to the system, where torch has used one."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


@cache
def _find_trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return None
