"""Decoding within a budget, so that small recordings do not wait for large ones.

A recording whose header states that it is large is not decoded here. The size of a file does not show what it costs to
decode, and headers are not trusted: decoding begins, and stops where it has used the budget.
"""

import time
from collections.abc import Callable
from typing import Final

from alignment.audio import Waveform
from alignment.errors import DecodingAbandonedError
from alignment.libsndfile import read_stated_length
from alignment.timing import Seconds
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.observability.stopwatch import Stopwatch

QUICK_CPU_S: Final[Seconds] = 0.5
BUSY_CPU_S: Final[Seconds] = 0.25
QUICK_SAMPLES: Final = 12_000_000
"""A minute of two channels at 96 kHz."""
QUICK_AUDIO_S: Final[Seconds] = 60.0


class LargeRecordingError(Exception):
    """A recording is not small: its decoding takes too much CPU time, or its channels are too long in total."""


def decode_small(
    engine: EmotionEngine,
    data: bytes,
    request: AnalysisRequest,
    stopwatch: Stopwatch,
    cancelled: Callable[[], bool] = lambda: False,
    busy: Callable[[], bool] = lambda: False,
) -> Waveform:
    """Decode a recording as `EmotionEngine.decode` does, if it is small.

    Args:
        engine: The models.
        data: The recording.
        request: What is known about it.
        stopwatch: Measures the stages.
        cancelled: Whether the request has ended.
        busy: Whether other recordings wait for this thread.

    Raises:
        LargeRecordingError: The header states more than 60 s or 12,000,000 samples; or decoding gives more than 60 s
            in all tracks, or takes more than 0.5 s of CPU time, 0.25 s where other recordings wait.
        AudioError: See `EmotionEngine.decode`.
    """
    duration_s, samples = read_stated_length(data)
    if duration_s > QUICK_AUDIO_S or samples > QUICK_SAMPLES:
        raise LargeRecordingError
    started_s = time.thread_time()

    def is_over() -> bool:
        spent_s = time.thread_time() - started_s
        return spent_s > QUICK_CPU_S or (spent_s > BUSY_CPU_S and busy())

    try:
        waveform = engine.decode(data, request, stopwatch, cancelled=lambda: cancelled() or is_over())
    except DecodingAbandonedError:
        if cancelled():
            raise
        raise LargeRecordingError from None
    if waveform.duration_s * max(1, len(waveform.tracks)) > QUICK_AUDIO_S:
        raise LargeRecordingError
    return waveform
