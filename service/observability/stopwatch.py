"""Time spent in each stage of a request."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from alignment.timing import Seconds

_T = TypeVar("_T")


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds per stage.

    Attributes:
        timings_ms: Time by stage.
        on_stage: Called after each stage with its name, its duration and its end (nanoseconds since the epoch).
    """

    timings_ms: dict[str, float] = field(default_factory=dict)
    on_stage: Callable[[str, Seconds, int], None] = lambda _stage, _spent_s, _ended_ns: None

    def run(self, stage: str, work: Callable[[], _T]) -> _T:
        """Return the result of `work` and add its duration to a stage."""
        started = time.perf_counter()
        try:
            return work()
        finally:
            self.add(stage, time.perf_counter() - started)

    def add(self, stage: str, spent_s: Seconds, ended_ns: int | None = None) -> None:
        """Add time that was measured elsewhere, ending now or at `ended_ns`."""
        self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + spent_s * 1_000
        self.on_stage(stage, spent_s, ended_ns or time.time_ns())
