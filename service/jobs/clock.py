"""Time of jobs, independent of steps of the system's clock."""

import time
from collections.abc import Callable

from alignment.timing import Seconds


def read_elapsed() -> Seconds:
    """Seconds since an arbitrary time; they include suspension where the system counts it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class SteadyClock:
    """Seconds since 1970 that never jump: the system's time at the start, and the time that has elapsed since."""

    def __init__(self, wall: Callable[[], Seconds] = time.time, elapsed: Callable[[], Seconds] = read_elapsed) -> None:
        """Read the system's clock, for the only time."""
        self._elapsed = elapsed
        self._origin = wall() - elapsed()

    def __call__(self) -> Seconds:
        """Seconds since 1970."""
        return self._origin + self._elapsed()
