"""Waiting for a condition with a time limit."""

import threading
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    """Return as soon as `condition` holds.

    Raises:
        TimeoutError: The condition did not hold within the limit.
    """
    deadline = time.monotonic() + limit_s
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition did not hold within {limit_s} s")
        pause.wait(0.02)
