"""Decoding within a budget, so that small recordings do not wait for large ones.

The size of a file does not show what it costs to decode, and headers are not trusted: decoding begins, and stops where
it has used the budget.
"""

import time
from collections.abc import Callable
from typing import Final

from alignment.audio import Waveform
from alignment.errors import DecodingAbandonedError
from alignment.timing import Seconds
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.observability.stopwatch import Stopwatch

QUICK_CPU_S: Final[Seconds] = 0.5
QUICK_AUDIO_S: Final[Seconds] = 60.0


class LargeRecordingError(Exception):
    """A recording is not small: its decoding takes too much CPU time, or its channels are too long in total."""


def decode_small(
    engine: EmotionEngine,
    data: bytes,
    request: AnalysisRequest,
    stopwatch: Stopwatch,
    cancelled: Callable[[], bool] = lambda: False,
) -> Waveform:
    """Decode a recording as `EmotionEngine.decode` does, if it is small.

    Raises:
        LargeRecordingError: Decoding takes more than 0.5 s of CPU time, or gives more than 60 s in all tracks.
        AudioError: See `EmotionEngine.decode`.
    """
    started_s = time.thread_time()

    def is_over() -> bool:
        return time.thread_time() - started_s > QUICK_CPU_S

    try:
        waveform = engine.decode(data, request, stopwatch, cancelled=lambda: cancelled() or is_over())
    except DecodingAbandonedError:
        if cancelled():
            raise
        raise LargeRecordingError from None
    if waveform.duration_s * max(1, len(waveform.tracks)) > QUICK_AUDIO_S:
        raise LargeRecordingError
    return waveform
