"""Processes beside the service that score recordings which bring their words.

Python lets one thread of a process run at a time. Decoding, features and what surrounds the network need it as much as
HTTP does, so that threads leave cores idle: with every request in this process the service used 1.5 of 2 cores, with a
scorer on each 1.8. A recording that brings its scorer down, or keeps it, is sent once more, to a process where it is
alone, and so is whatever was in its company.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final

from alignment.batcher import Batcher
from alignment.errors import DecodingAbandonedError
from alignment.features.mfcc import Bases, MfccConfig
from alignment.timing import Seconds
from alignment.worker_pool import WorkerPool
from service.errors import WorkerFailedError
from service.inference.worker import WorkerInput, WorkerOutput, score, start_scorer
from service.settings import Settings

MAX_BYTES: Final = 1_000_000
MAX_WORDS: Final = 400
MAX_S: Final[Seconds] = 60.0
"""What is larger is scored by a thread: it would take long to send and to score, and those beside it would wait."""
_TOGETHER: Final = 6
_LIMIT_S: Final[Seconds] = 30.0
_START_S: Final[Seconds] = 120.0


@dataclass(eq=False)
class Task:
    """A recording to be scored.

    Attributes:
        read: gives what is sent; called once.
        conclude: makes the answer of what came back, in a thread.
        abandoned: whether nobody waits for it any more.
        taken: is told how long it waited for a thread.
    """

    read: Callable[[], WorkerInput]
    conclude: Callable[[WorkerOutput], Any]
    abandoned: Callable[[], bool]
    taken: Callable[[Seconds], None]
    since: float = field(default_factory=time.perf_counter)

    @cached_property
    def recording(self) -> WorkerInput:
        """What is sent; a file can be read once, and may have to be sent again, or be scored here after all."""
        return self.read()


class InferenceWorkerPool:
    """Some processes, each given what waits as soon as it is free, several recordings at once."""

    def __init__(self, settings: Settings, observe: Callable[[int], None]) -> None:
        """Starts threads; the processes begin with `start`.

        Args:
            settings: how many, which bundle and which limits, as for the engine of this process.
            observe: is told how many recordings are scored together.
        """
        # A recording that turns out to be long comes back as too long, and a thread takes it.
        self._settings = settings.model_copy(update={"max_audio_s": min(settings.max_audio_s, MAX_S)})
        self._closed = False
        self._pools: list[WorkerPool] = []
        self._alone = threading.Lock()
        self._free: queue.SimpleQueue[WorkerPool] = queue.SimpleQueue()
        self._batches: Batcher[Task, Any] = Batcher(
            "score",
            self._score,
            max_items=min(_TOGETHER, settings.batch.max_requests),
            linger_s=0.0,
            on_batch=observe,
            workers=settings.scorers,
        )

    @property
    def waiting(self) -> int:
        """Recordings that no thread has taken yet."""
        return self._batches.waiting

    def start(self, version: str, config: MfccConfig, bases: Bases) -> None:
        """Has every process answer once.

        Args:
            version: of the bundle that the service has loaded.
            config: of the bundle's features.
            bases: for it.

        Raises:
            ModelError, AlignmentError: a process cannot serve what the settings name.
            WorkerFailedError: one cannot start.
        """
        initialise = partial(start_scorer, self._settings, version, config, bases)
        failed = partial(WorkerFailedError, way_out="see the log; CAN_SCORERS=0 does without")
        count = self._settings.scorers
        self._pools = [WorkerPool(1, initialise, _LIMIT_S, failed, attempts=1) for _ in range(count + 1)]
        if self._closed:
            self.close()
        with ThreadPoolExecutor(count) as starting:
            list(starting.map(lambda pool: pool.map(score, [((),)], _START_S), self._pools[1:]))
        for pool in self._pools[1:]:
            self._free.put(pool)

    def submit(self, asked: Task) -> "Future[Any]":
        """What `asked.conclude` makes; raises what it raised, or what came of the recording; later."""
        return self._batches.submit(asked)

    def close(self) -> None:
        """Ends threads and processes; what waits is cancelled."""
        self._closed = True
        self._batches.close()
        for pool in self._pools:
            pool.close()

    def _score(self, asked: Sequence[Task]) -> list[Any]:
        now = time.perf_counter()
        for each in asked:
            each.taken(now - each.since)
        pool = self._free.get()
        try:
            wanted = [each for each in asked if not each.abandoned()]
            scored = self._ask(pool, wanted)
        finally:
            self._free.put(pool)
        return [_conclude(each, scored[each]) if each in scored else DecodingAbandonedError() for each in asked]

    def _ask(self, pool: WorkerPool, wanted: Sequence[Task]) -> dict[Task, WorkerOutput | WorkerFailedError]:
        if not wanted:
            return {}
        try:
            [scored] = pool.map(score, [([each.recording for each in wanted],)])
        except WorkerFailedError:
            return {each: self._ask_alone(each) for each in wanted if not each.abandoned()}
        return dict(zip(wanted, scored, strict=True))

    def _ask_alone(self, asked: Task) -> WorkerOutput | WorkerFailedError:
        """Whoever was there when a process broke is asked for again, in one that it shares with nobody."""
        try:
            with self._alone:
                [[scored]] = self._pools[0].map(score, [([asked.recording],)], 2 * _LIMIT_S)
        except WorkerFailedError as exc:
            return WorkerFailedError(exc.reason)
        return scored


def _conclude(asked: Task, scored: WorkerOutput | WorkerFailedError) -> Any:
    if isinstance(scored, WorkerFailedError):
        return scored
    if asked.abandoned():
        return DecodingAbandonedError()
    try:
        return asked.conclude(scored)
    except Exception as exc:  # noqa: BLE001 - whatever it is belongs to the request that caused it
        return exc
