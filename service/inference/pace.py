"""How fast requests are being answered, and hence when one that is refused should come back."""

import math
import time
from collections.abc import Callable

from alignment.timing import Seconds

_MEMORY = 0.9


class LoadEstimator:
    """Seconds of work per answer, lately; idle time does not count."""

    def __init__(self, clock: Callable[[], Seconds] = time.monotonic, first_guess_s: Seconds = 1.0) -> None:
        self._clock = clock
        self._usual_s = first_guess_s
        self._since = clock()

    def begin(self, under_way: int) -> None:
        """A request came; `under_way` were there before it."""
        if under_way == 0:
            self._since = self._clock()

    def finish(self) -> None:
        """A request was answered."""
        now = self._clock()
        self._usual_s = _MEMORY * self._usual_s + (1 - _MEMORY) * (now - self._since)
        self._since = now

    def retry_after_s(self, under_way: int) -> int:
        """Whole seconds until those that are there should be answered, at least 1."""
        return max(1, math.ceil(self._usual_s * under_way))
