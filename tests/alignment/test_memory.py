import gc
import platform
import subprocess
import sys
import weakref
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import pytest

from alignment.memory import collect_memory


def test_memory_of_cancelled_work_is_freed() -> None:
    """The error refers to the frame that holds the samples, and a variable of the frame to the error."""

    def cancel() -> "weakref.ref[npt.NDArray[np.float32]]":
        samples = np.zeros(1_000, np.float32)
        try:
            fail()
        except RuntimeError as exc:
            stored = exc  # noqa: F841
        return weakref.ref(samples)

    gc.disable()
    try:
        samples = cancel()
        assert samples() is not None
        collect_memory()
        assert samples() is None
    finally:
        gc.enable()


def fail() -> NoReturn:
    raise RuntimeError


COUNT_FAULTS = """
import resource
import sys
from alignment.memory import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = b"x" * 2**26
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_kept_memory_is_not_requested_again() -> None:
    """A block of 64 MiB, the third time: 16,384 pages, or 32 where the system has huge pages."""
    faults = {
        mode: int(subprocess.run([sys.executable, "-c", COUNT_FAULTS, mode], capture_output=True, check=True).stdout)
        for mode in ("keep", "return")
    }
    assert 8 * faults["keep"] < faults["return"], faults
