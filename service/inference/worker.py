"""Inference worker process: recordings with given words, from bytes to scores, with an engine of its own."""

import gc
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from alignment.errors import AlignmentError, CanSerError
from alignment.timing import Seconds
from model.scores import UtteranceScores
from service.errors import ScorersUnavailableError
from service.inference.decoding import LargeRecordingError, decode_small
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.inference.result import ResultBuilder
from service.inference.window_loop import PreparedWindow, WindowLoop
from service.observability.stopwatch import Stopwatch
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class WorkerInput:
    """An audio file and a request with given words."""

    data: bytes
    request: AnalysisRequest


@dataclass(frozen=True, slots=True)
class StageTime:
    """Duration of a stage and its end (nanoseconds since the epoch)."""

    stage: str
    spent_s: Seconds
    ended_ns: int


@dataclass(slots=True, eq=False)
class WorkerOutput:
    """Result of one recording.

    Attributes:
        stages: Stage times, in order.
        result: Collected results; None where the recording cannot be used.
        error: Why it cannot be used.
        is_large: Whether it was left to the service's own threads, because decoding it would delay others.
    """

    stages: list[StageTime] = field(default_factory=list)
    result: ResultBuilder | None = None
    error: AlignmentError | None = None
    is_large: bool = False


_engine: EmotionEngine | CanSerError = ScorersUnavailableError("start_worker() has not run in this process")


def start_worker(settings: Settings, version: str) -> None:
    """Initialise a worker process; the models of its aligner, which it does not use, stay unloaded.

    An error that prevents this is raised by every later call of `score`.

    Args:
        settings: Settings of its engine.
        version: Version of the bundle that the service has loaded.
    """
    global _engine  # noqa: PLW0603 - a process pool has no other place for what its initialiser makes
    for sent_by_terminal in (signal.SIGINT, signal.SIGHUP):
        signal.signal(sent_by_terminal, signal.SIG_IGN)
    try:
        _engine = _open_engine(settings, version)
    except CanSerError as exc:
        _engine = exc
    gc.collect()
    # Objects that are loaded now stay: the collector need not scan them again.
    gc.freeze()


def _open_engine(settings: Settings, version: str) -> EmotionEngine:
    # Only requests for the default bundle are sent here.
    engine = EmotionEngine(settings.model_copy(update={"bundles": settings.bundles[:1]}))
    if engine.bundle.version != version:
        raise ScorersUnavailableError("the bundle on disk has changed since the service loaded it")
    engine.warm_up_network()
    return engine


def score(inputs: Sequence[WorkerInput]) -> list[WorkerOutput]:
    """Outputs in the order of the inputs; the features of all recordings are scored in one call.

    Raises:
        CanSerError: This process cannot score.
    """
    engine = _started()
    outputs = [WorkerOutput() for _ in inputs]
    prepared = [_prepare(engine, each, output) for each, output in zip(inputs, outputs, strict=True)]
    started = time.perf_counter()
    scores = iter(engine.classify([features for each in prepared if each for features in each[1].features]))
    spent_s, ended_ns = time.perf_counter() - started, time.time_ns()
    for each, output in zip(prepared, outputs, strict=True):
        if each:
            output.stages.append(StageTime("classify", spent_s, ended_ns))
            _add_scores(engine, *each, [next(scores) for _ in each[1].features], output)
    return outputs


def _add_scores(
    engine: EmotionEngine, loop: WindowLoop, window: PreparedWindow, scores: list[UtteranceScores], output: WorkerOutput
) -> None:
    """Add the scores to the result, with the effects of words where the request asks for them."""
    started = time.perf_counter()
    loop.add(window, engine.measure_effects(window, scores, engine.classify))
    if window.occludes:
        output.stages.append(StageTime("classify", time.perf_counter() - started, time.time_ns()))


def _prepare(
    engine: EmotionEngine, given: WorkerInput, output: WorkerOutput
) -> tuple[WindowLoop, PreparedWindow] | None:
    """The recording up to its features; a recording that cannot be used has an error in its output."""
    stopwatch = Stopwatch(on_stage=lambda *stage: output.stages.append(StageTime(*stage)))
    try:
        waveform = decode_small(engine, given.data, given.request, stopwatch)
        loop = engine.start(waveform, given.request, stopwatch)
        window = loop.prepare()
    except LargeRecordingError:
        output.is_large = True
        return None
    except AlignmentError as exc:
        output.error = exc
        return None
    output.result = loop.result
    return None if window is None else (loop, window)


def _started() -> EmotionEngine:
    if isinstance(_engine, CanSerError):
        raise _engine
    return _engine
