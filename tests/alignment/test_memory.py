import gc
import weakref
from typing import NoReturn

import numpy as np
import numpy.typing as npt

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
