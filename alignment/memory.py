"""Memory of large recordings, which the C library keeps for itself after it was freed."""

import ctypes
from functools import cache
from typing import Any


def return_memory() -> None:
    """Return freed memory to the system, where the C library can (glibc); other threads of Python run meanwhile."""
    trim = _find_trim()
    if trim is not None:
        trim(0)


@cache
def _find_trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return None
