"""What a scorer process does: recordings that bring their words, from bytes to scores, by the service's own engine."""

import gc
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from alignment.errors import AlignmentError
from alignment.features.mfcc import Bases, MfccConfig, adopt_bases
from alignment.speech.windows import Window
from alignment.timing import Seconds
from model.errors import ModelError
from service.errors import WorkerFailedError
from service.inference.engine import EmotionEngine, PreparedWindow
from service.inference.result import AnalysisRequest, ResultBuilder, Stopwatch
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class WorkerInput:
    """An audio file, and a request that says which words are in it."""

    data: bytes
    request: AnalysisRequest


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long a stage took, and when it ended (nanoseconds since the epoch)."""

    stage: str
    spent_s: Seconds
    ended_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class WorkerOutput:
    """What was found, or why the recording or its words cannot be used, and how long it took."""

    found: ResultBuilder | AlignmentError
    stages: list[StageTime]


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    stages: list[StageTime]
    found: ResultBuilder | AlignmentError
    window: PreparedWindow | None


_Trouble = ModelError | AlignmentError | WorkerFailedError
_engine: EmotionEngine | _Trouble = WorkerFailedError("start_scorer() has not run in this process")


def start_scorer(settings: Settings, version: str, config: MfccConfig, bases: Bases) -> None:
    """Initialises a scorer process; its aligner, which nobody asks here, stays unloaded.

    What keeps it from scoring is kept, and told to whoever asks it.

    Args:
        settings: of its engine.
        version: of the bundle that the service has loaded.
        config: of the bundle's features.
        bases: for it.
    """
    global _engine  # noqa: PLW0603 - a process pool has no other place for what its initialiser makes
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    adopt_bases(config, bases)
    try:
        _engine = _open_engine(settings, version)
    except (ModelError, AlignmentError, WorkerFailedError) as exc:
        _engine = exc
    gc.collect()
    # What is there now stays: the collector need not look through it again and again.
    gc.freeze()


def _open_engine(settings: Settings, version: str) -> EmotionEngine:
    engine = EmotionEngine(settings)
    if engine.bundle.version != version:
        raise WorkerFailedError("the bundle on disk is another one than was loaded", "start the service anew")
    engine.warm_up_network()
    return engine


def score(recordings: Sequence[WorkerInput]) -> list[WorkerOutput]:
    """Each recording on its own up to the network, which is asked once for all; one that fails fails alone.

    Raises:
        ModelError, AlignmentError, WorkerFailedError: this process cannot score.
    """
    engine = _started()
    prepared = [_prepare(engine, recording) for recording in recordings]
    started = time.perf_counter()
    scores = iter(engine.classify([features for each in prepared if each.window for features in each.window.features]))
    spent_s, ended_ns = time.perf_counter() - started, time.time_ns()
    answers = []
    for each in prepared:
        if each.window and isinstance(each.found, ResultBuilder):
            each.stages.append(StageTime("classify", spent_s, ended_ns))
            each.found.add(0.0, each.window.transcript, [next(scores) for _ in each.window.features])
        answers.append(WorkerOutput(each.found, each.stages))
    return answers


def _prepare(engine: EmotionEngine, recording: WorkerInput) -> _Prepared:
    stages: list[StageTime] = []
    watch = Stopwatch(observe=lambda *told: stages.append(StageTime(*told)))
    try:
        waveform = engine.decode(recording.data, watch)
        window = engine.prepare(Window(0.0, waveform.samples), recording.request, watch)
    except AlignmentError as exc:
        return _Prepared(stages, exc, None)
    return _Prepared(stages, ResultBuilder(waveform.source, waveform.warnings), window)


def _started() -> EmotionEngine:
    if isinstance(_engine, _Trouble):
        raise _engine
    return _engine
