"""The rule for loud speech, which Silero misses, in a stream: only the sound so far is known.

In a recording, sound that is loud for the whole recording counts as speech from a low probability on
(`alignment.speech.voice_activity`). In a stream it is compared with the speech and the background so far, so that the
rule applies after the first speech that Silero finds. Speech of telephones is an example: on band-limited speech
Silero's probability can stay under its threshold for a whole phrase.
"""

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.speech.voice_activity import (
    LOUD_ABOVE_FLOOR_DB,
    LOUD_BELOW_PEAK_DB,
    LOUD_SPEECH,
    SPEECH_ONSET,
    STEP_S,
    levels_db,
)

_HISTORY_STEPS: Final = round(30.0 / STEP_S)


class LoudSpeech:
    """Levels of a stream."""

    def __init__(self) -> None:
        self._levels_db: deque[float] = deque(maxlen=_HISTORY_STEPS)
        self._peak_db = np.inf

    def add(self, step: NDArray[np.float32], probability: float) -> bool:
        """Add a step; return whether it is speech by its probability, or loud with a probability that is not low.

        Args:
            step: (STEP_SAMPLES,) float32 at 16 kHz.
            probability: Silero's probability of speech.
        """
        level_db = float(levels_db(step, 1)[0])
        self._levels_db.append(level_db)
        if probability >= SPEECH_ONSET:
            self._peak_db = level_db if np.isinf(self._peak_db) else max(self._peak_db, level_db)
            return True
        if probability < LOUD_SPEECH or level_db < self._peak_db - LOUD_BELOW_PEAK_DB:
            return False
        return bool(level_db >= np.percentile(self._levels_db, 10) + LOUD_ABOVE_FLOOR_DB)
