"""Freed memory: when it returns to the system, and when the C library keeps it for the next use."""

import ctypes
import gc
import sys
from functools import cache
from typing import Any, Final

_TRIM_THRESHOLD: Final = -1
_MMAP_MAX: Final = -4
_LARGEST: Final = 2**31 - 1
"""Parameters of `mallopt` (malloc.h of glibc)."""


def keep_memory() -> None:
    """Let this process reuse freed memory of any size, where the C library can (glibc).

    Otherwise large arrays return to the system when freed, and every new one is filled with zeros page by page, which
    slows training steps. `return_memory` still returns it.
    """
    mallopt = _find_function("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _LARGEST)


def return_memory() -> None:
    """Return freed memory to the system, where the C library can (glibc); other threads of Python run meanwhile."""
    trim = _find_function("malloc_trim")
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
def _find_function(name: str) -> Any:
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):
        return None
