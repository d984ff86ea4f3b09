"""An aligner that hears what it is told to hear, and a diarizer that knows its speakers; ten lines, no patching."""

import threading
from collections.abc import Sequence

from alignment.audio import Waveform
from alignment.errors import DiarizationUnavailableError
from alignment.transcripts.speakers import Turn
from alignment.transcripts.utterances import group_words
from alignment.transcripts.words import AlignerInfo, TimedWord, Transcript


class FakeAligner:
    """Recognises the same words in every recording; may be held up, or made to fail."""

    def __init__(self) -> None:
        self.calls_at_once = 1
        self.info = AlignerInfo("fake", "none", "en", "a test asked for it")
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.calls = 0

    def warm_up(self) -> None:
        """Fails when told to."""
        if self.error:
            raise self.error

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """Two words in the first half of the recording."""
        return self.align(waveform, "the children", language)

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """Words of a tenth of a second each."""
        self.calls += 1
        self.gate.wait(20)
        if self.error:
            raise self.error
        words = [TimedWord(w, 0.1 * i, 0.1 * (i + 1), "aligned", 0.5) for i, w in enumerate(text.split())]
        return Transcript(group_words(words, waveform.duration_s), self.info)

    def close(self) -> None:
        """Nothing to end."""


class FakeDiarizer:
    """Knows who speaks when."""

    def __init__(self, turns: Sequence[Turn] | None = None) -> None:
        self.turns = turns

    def require(self) -> None:
        """Fails when it was told nothing."""
        if self.turns is None:
            raise DiarizationUnavailableError("a test wants it so", "leave `speakers` out")

    def diarize(self, waveform: Waveform) -> list[Turn]:
        """What it was told."""
        self.require()
        return list(self.turns or ())
