"""Fake aligner and diarizer with configurable results, and a clock."""

import threading
from collections.abc import Sequence

from alignment.audio import Waveform
from alignment.errors import DiarizationUnavailableError, UnsupportedLanguageError
from alignment.priority import Priority, current_priority
from alignment.transcripts.speakers import Turn
from alignment.transcripts.utterances import group_words
from alignment.transcripts.words import AlignerInfo, TimedWord, Transcript


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class FakeAligner:
    """Aligner that recognises the same words in every recording.

    Attributes:
        gate: Calls block while it is cleared.
        error: Raised by every call, where it is set.
        calls: Number of calls so far.
        loaded: Whether the models are in memory.
        doubtful: Words that are doubtful wherever they occur.
        languages: Language of each call.
        priorities: Priority of each call, in the order in which they began.
        supported: Codes of the languages that it supports.
    """

    def __init__(self) -> None:
        self.languages: list[str | None] = []
        self.priorities: list[Priority] = []
        self.supported = {"en"}
        self.calls_at_once = 1
        self.loaded = True
        self.doubtful: set[str] = set()
        self.info = AlignerInfo("fake", "none", "en", "configured by a test")
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.calls = 0

    def warm_up(self) -> None:
        """Raise the configured error, if any."""
        if self.error:
            raise self.error

    def check_language(self, language: str | None) -> None:
        """Raise unless the language is supported, or None."""
        if language is not None and language.split("-")[0].lower() not in self.supported:
            raise UnsupportedLanguageError(self.info.name, language, ", ".join(sorted(self.supported)))

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """Recognise two words at the start of the recording."""
        return self.align(waveform, "the children", language)

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """Align the text, 0.1 s per word."""
        self.calls += 1
        self.check_language(language)
        self.languages.append(language)
        self.priorities.append(current_priority())
        self.gate.wait(20)
        if self.error:
            raise self.error
        words = [
            TimedWord(w, 0.1 * i, 0.1 * (i + 1), "aligned", 0.5, doubtful=w in self.doubtful)
            for i, w in enumerate(text.split())
        ]
        return Transcript(group_words(words, waveform.duration_s), self.info)

    def close(self) -> None:
        """Do nothing."""


class FakeDiarizer:
    """Diarizer with given turns; unavailable without them."""

    def __init__(self, turns: Sequence[Turn] | None = None) -> None:
        self.turns = turns

    def require(self) -> None:
        """Raise where no turns are given."""
        if self.turns is None:
            raise DiarizationUnavailableError("configured by a test", "omit `speakers`")

    def diarize(self, waveform: Waveform) -> list[Turn]:
        """Return the given turns."""
        self.require()
        return list(self.turns or ())
