"""Processes beside the service that score recordings which bring their words.

Python lets one thread of a process run at a time. Decoding, features and what surrounds the network need it as much as
HTTP does, so that threads leave cores idle: with every request in this process the service used 1.5 of 2 cores, with a
scorer on each 1.8. A decoder that a broken file brings down takes no other request along.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, Final

from alignment.errors import AlignmentError, DecodingAbandonedError
from alignment.mfcc import Bases, MfccConfig
from alignment.timing import Seconds
from alignment.worker_pool import WorkerPool
from service.batching import Batcher
from service.errors import ScorerFailedError
from service.scorer_process import GivenRecording, ScoredRecording, score, start_scorer
from service.settings import Settings

MAX_BYTES: Final = 1_000_000
"""A larger recording is scored by a thread: it would take long to send, and those behind it would wait."""
_TOGETHER: Final = 6
_START_S: Final = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A recording to be scored.

    Attributes:
        recording: reads what is sent.
        conclude: makes the answer of what came back, in a thread.
        abandoned: whether nobody waits for it any more.
        queued: is told how long it waited for a scorer.
    """

    recording: Callable[[], GivenRecording]
    conclude: Callable[[ScoredRecording], Any]
    abandoned: Callable[[], bool]
    queued: Callable[[Seconds], None]
    since: float = field(default_factory=time.perf_counter)


class Scorers:
    """Some processes, each given what waits as soon as it is free, several recordings at once."""

    def __init__(self, settings: Settings, observe: Callable[[int], None]) -> None:
        """Starts threads; the processes begin with `start`.

        Args:
            settings: how many, which bundle and which limits, as for the engine of this process.
            observe: is told how many recordings are scored together.
        """
        self._settings = settings
        self._pool: WorkerPool | None = None
        self._batches: Batcher[Asked, Any] = Batcher(
            "score",
            self._score,
            max_items=min(_TOGETHER, settings.batch.max_requests),
            linger_s=0.0,
            observe=observe,
            # One more than processes, so that a batch is there when one of them becomes free.
            workers=settings.scorers + 1,
        )

    @property
    def waiting(self) -> int:
        """Recordings that no thread has taken yet."""
        return self._batches.waiting

    def start(self, config: MfccConfig, bases: Bases) -> None:
        """Has every process answer once.

        Args:
            config: of the bundle's features.
            bases: for it.

        Raises:
            ScorerFailedError: a process cannot.
        """
        initialise = partial(start_scorer, self._settings, config, bases)
        limit_s = max(self._settings.deadline_s, _START_S)
        self._pool = WorkerPool(self._settings.scorers, initialise, limit_s, ScorerFailedError)
        self._pool.map(score, [((),)] * self._settings.scorers)

    def submit(self, asked: Asked) -> "Future[Any]":
        """What `asked.conclude` makes, or the AlignmentError of a recording that cannot be used; later."""
        # A file can be read once; one whose neighbour brings the process down is asked for again.
        return self._batches.submit(replace(asked, recording=cache(asked.recording)))

    def close(self) -> None:
        """Ends threads and processes; what waits is cancelled."""
        self._batches.close()
        if self._pool:
            self._pool.close()

    def _score(self, asked: Sequence[Asked]) -> list[Any]:
        now = time.perf_counter()
        for each in asked:
            each.queued(now - each.since)
        wanted = [each for each in asked if not each.abandoned()]
        if self._pool is None:
            raise ScorerFailedError("it has not been started")
        [scored] = self._pool.map(score, [([each.recording() for each in wanted],)])
        found = iter(scored)
        return [_conclude(each, next(found)) if each in wanted else DecodingAbandonedError() for each in asked]


def _conclude(asked: Asked, scored: ScoredRecording | AlignmentError) -> Any:
    if isinstance(scored, AlignmentError):
        return scored
    try:
        return asked.conclude(scored)
    except AlignmentError as exc:
        return exc
