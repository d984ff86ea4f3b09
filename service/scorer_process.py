"""What a scorer process does: recordings that bring their words, from bytes to scores, by the service's own engine."""

import gc
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from alignment.errors import AlignmentError
from alignment.mfcc import Bases, MfccConfig, adopt_bases
from alignment.windows import Window
from service.analysis import AnalysisRequest, Findings, Stopwatch
from service.engine import EmotionEngine, PreparedWindow
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class GivenRecording:
    """An audio file, and a request that says which words are in it."""

    data: bytes
    request: AnalysisRequest


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRecording:
    """What was found, and how many milliseconds each stage took."""

    findings: Findings
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    findings: Findings
    watch: Stopwatch
    window: PreparedWindow | None


_engine: EmotionEngine | None = None


def start_scorer(settings: Settings, config: MfccConfig, bases: Bases) -> None:
    """Initialises a scorer process; its aligner, which nobody asks here, stays unloaded."""
    global _engine  # noqa: PLW0603 - a process pool has no other place for what its initialiser makes
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    adopt_bases(config, bases)
    _engine = EmotionEngine(settings)
    _engine.warm_up_network()
    gc.collect()
    # What is there now stays: the collector need not look through it again and again.
    gc.freeze()


def score(recordings: Sequence[GivenRecording]) -> list[ScoredRecording | AlignmentError]:
    """Each recording on its own up to the network, which is asked once for all.

    Returns:
        In order; the error where a recording or its words cannot be used, so that it takes no neighbour with it.
    """
    engine = _started()
    prepared = [_prepare(engine, recording) for recording in recordings]
    good = [each for each in prepared if isinstance(each, _Prepared)]
    started = time.perf_counter()
    scores = iter(engine.classify([features for each in good if each.window for features in each.window.features]))
    spent_s = time.perf_counter() - started
    for each in good:
        each.watch.add("classify", spent_s)
        if each.window:
            own = [next(scores) for _ in each.window.features]
            each.findings.add(0.0, each.window.transcript, own)
    return [
        ScoredRecording(each.findings, each.watch.timings_ms) if isinstance(each, _Prepared) else each
        for each in prepared
    ]


def _prepare(engine: EmotionEngine, recording: GivenRecording) -> _Prepared | AlignmentError:
    watch = Stopwatch()
    try:
        waveform = engine.decode(recording.data, watch)
        window = engine.prepare(Window(0.0, waveform.samples), recording.request, watch)
    except AlignmentError as exc:
        return exc
    return _Prepared(Findings(waveform.source, waveform.warnings), watch, window)


def _started() -> EmotionEngine:
    if _engine is None:
        raise RuntimeError("start_scorer() has not run in this process")
    return _engine
