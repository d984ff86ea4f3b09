"""Waiting for a condition, with a limit and no guess."""

import threading
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    """Returns as soon as `condition` holds.

    Raises:
        TimeoutError: it did not within the limit.
    """
    deadline = time.monotonic() + limit_s
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit_s} s")
        pause.wait(0.02)
