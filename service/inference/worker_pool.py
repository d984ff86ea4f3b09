"""Worker processes that score recordings with given words.

Python runs one thread of a process at a time. Decoding, features and the code around the network need the interpreter
as much as HTTP does, so that threads leave cores idle: with all requests in one process the service used 1.5 of 2
cores, with a worker process per core 1.8. A batch whose process dies or takes too long is repeated one recording at a
time, so that a recording that breaks its process does not affect others. Where not even an empty batch can be scored,
the fault is not the recording's: the pool is of no more use, and its tasks fail with an error that the scheduler mends.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import isfinite
from typing import BinaryIO, Final

import structlog

from alignment.batcher import Batcher
from alignment.errors import CanSerError, DecodingAbandonedError
from alignment.timing import Seconds
from alignment.worker_pool import WorkerPool
from service.errors import ScorersUnavailableError, WorkerFailedError
from service.inference.admission import RequestContext
from service.inference.decoding import LargeRecordingError
from service.inference.request import AnalysisRequest
from service.inference.result import ResultBuilder
from service.inference.worker import WorkerInput, WorkerOutput, score, start_worker
from service.settings import Settings

MAX_BYTES: Final = 1_000_000
MAX_WORDS: Final = 400
# Each word is left out twice, and every time all words of its utterance are scored.
MAX_OCCLUDED_WORDS: Final = 60
MAX_S: Final[Seconds] = 60.0
_BATCH: Final = 6
_LIMIT_S: Final[Seconds] = 30.0
_START_S: Final[Seconds] = 120.0
log = structlog.stdlib.get_logger("service.inference.worker_pool")


@dataclass(frozen=True, slots=True)
class Upload:
    """A recording on disk or in memory, and its size where that is known."""

    file: BinaryIO
    size_bytes: int | None = None


@dataclass(eq=False)
class Task:
    """A recording to be scored.

    Attributes:
        upload: The recording.
        request: Its request, with given words.
        context: State of the request that it belongs to.
        queued_at: When the task, or the batch with it, began to wait (`time.perf_counter`).
    """

    upload: Upload
    request: AnalysisRequest
    context: RequestContext
    queued_at: float = field(default_factory=time.perf_counter)

    @cached_property
    def input(self) -> WorkerInput:
        """The input of the worker, read once; it may be sent more than once."""
        return WorkerInput(self.upload.file.read(), self.request)

    def read(self) -> bytes:
        """Bytes of the recording, which a worker or another pool may have read before."""
        if "input" in vars(self):
            return self.input.data
        self.upload.file.seek(0)
        return self.upload.file.read()


def is_small(upload: Upload, request: AnalysisRequest) -> bool:
    """Whether a recording with given words may go to a worker process.

    Larger ones are scored by a thread: they would take long to send and to score, and delay the rest of their batch.
    """
    words = request.words or ()
    max_words = MAX_OCCLUDED_WORDS if request.explain == "occlusion" else MAX_WORDS
    sized = upload.size_bytes is not None and upload.size_bytes <= MAX_BYTES
    # Words without times end nowhere.
    ends_s = [word.end_s for word in words if isfinite(word.end_s)]
    return sized and 0 < len(words) <= max_words and (not ends_s or ends_s[-1] <= MAX_S)


class InferenceWorkerPool:
    """Worker processes, each of which takes a batch of the waiting recordings as soon as it is free.

    Attributes:
        trouble: Why no process can score any more; "" while they can.
    """

    def __init__(self, settings: Settings, on_batch: Callable[[int], None]) -> None:
        """Start threads; the processes are started by `start`.

        Args:
            settings: Number of processes, bundle and limits, as for the engine of this process.
            on_batch: Called with the size of each batch.
        """
        self._settings = settings
        self._closed = False
        self.trouble = ""
        self._pools: list[WorkerPool] = []
        self._isolation = threading.Lock()
        self._free: queue.SimpleQueue[WorkerPool] = queue.SimpleQueue()
        self._batches: Batcher[Task, ResultBuilder] = Batcher(
            "score",
            self._score,
            max_items=min(_BATCH, settings.batch.max_requests),
            linger_s=0.0,
            on_batch=on_batch,
            workers=settings.scorers,
        )

    @property
    def waiting(self) -> int:
        """Length of the queue."""
        return self._batches.waiting

    def start(self, version: str) -> None:
        """Start every process and run it once.

        Args:
            version: Version of the bundle that the service has loaded.

        Raises:
            ModelError, AlignmentError, ScorersUnavailableError: A process cannot serve the settings.
            WorkerFailedError: A process cannot start.
        """
        initialise = partial(start_worker, self._settings, version)
        failed = partial(WorkerFailedError, way_out="see the log; CAN_SCORERS=0 serves without worker processes")
        count = self._settings.scorers
        self._pools = [WorkerPool(1, initialise, _LIMIT_S, failed, attempts=1) for _ in range(count + 1)]
        if self._closed:
            self.close()
        with ThreadPoolExecutor(count) as starting:
            list(starting.map(lambda pool: pool.map(score, [((),)], _START_S), self._pools[1:]))
        for pool in self._pools[1:]:
            self._free.put(pool)

    def submit(self, task: Task) -> "Future[ResultBuilder]":
        """Queue a recording.

        The future raises WorkerFailedError where the recording breaks its process, ScorersUnavailableError where no
        process can score, LargeRecordingError where the recording takes long to decode, and DecodingAbandonedError
        where its request has been cancelled.
        """
        return self._batches.submit(task)

    def close(self) -> None:
        """End threads and processes; queued recordings are cancelled."""
        self._closed = True
        self._batches.close()
        for pool in self._pools:
            pool.close()

    def _score(self, tasks: Sequence[Task]) -> list[ResultBuilder | Exception]:
        now = time.perf_counter()
        for task in tasks:
            task.context.stopwatch.add("queue", now - task.queued_at)
            task.queued_at = now
        pool = self._free.get()
        try:
            wanted = [task for task in tasks if not task.context.cancelled]
            outputs = dict(zip(wanted, self._score_batch(pool, wanted), strict=True))
        finally:
            self._free.put(pool)
        return [_collect(task, outputs.get(task, DecodingAbandonedError())) for task in tasks]

    def _score_batch(self, pool: WorkerPool, tasks: Sequence[Task]) -> Sequence[WorkerOutput | Exception]:
        if not tasks:
            return []
        try:
            [outputs] = pool.map(score, [([task.input for task in tasks],)])
        except WorkerFailedError:
            return [self._score_alone(task) for task in tasks]
        except CanSerError as exc:
            return [self._give_up(str(exc))] * len(tasks)
        return outputs

    def _score_alone(self, task: Task) -> WorkerOutput | Exception:
        """Repeat a recording of a failed batch in the process that is reserved for this."""
        if task.context.cancelled:
            return DecodingAbandonedError()
        if self.trouble:
            return ScorersUnavailableError(self.trouble)
        with self._isolation:
            try:
                [[output]] = self._pools[0].map(score, [([task.input],)], 2 * _LIMIT_S)
            except WorkerFailedError as exc:
                return self._find_cause(exc.reason)
            except CanSerError as exc:
                return self._give_up(str(exc))
        return output

    def _find_cause(self, reason: str) -> Exception:
        """The error of a recording whose process failed: its own where a new process can score an empty batch."""
        try:
            self._pools[0].map(score, [((),)], _START_S)
        except CanSerError as exc:
            if not self._closed:
                return self._give_up(str(exc))
        return WorkerFailedError(reason)

    def _give_up(self, reason: str) -> ScorersUnavailableError:
        """Register that no process can score any more."""
        if not self.trouble:
            self.trouble = reason
            log.error("worker processes cannot score", detail=reason)
        return ScorersUnavailableError(reason)


def _collect(task: Task, output: WorkerOutput | Exception) -> ResultBuilder | Exception:
    """The results in an output, whose stages count as those of the request, or the error of the task's future."""
    if isinstance(output, Exception):
        return output
    spent_s = sum(stage.spent_s for stage in output.stages)
    task.context.stopwatch.add("queue", max(0.0, time.perf_counter() - task.queued_at - spent_s))
    for stage in output.stages:
        task.context.stopwatch.add(stage.stage, stage.spent_s, stage.ended_ns)
    if output.is_large:
        return LargeRecordingError()
    return output.error or output.result or WorkerFailedError("its output is empty")
