"""What is found in a recording, window by window, and the answer that it adds up to."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from alignment.audio import AudioSource
from alignment.errors import NoSpeechError
from alignment.timing import Seconds
from alignment.transcripts.words import AlignerInfo, TimedWord, Transcript, Utterance
from model.scores import UtteranceScores

_T = TypeVar("_T")
Speakers = Literal["channels", "diarize"]


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """What a caller may say beside the recording.

    Attributes:
        transcript: what is said; forced alignment replaces recognition.
        words: what is said and when; nothing is recognised.
        language: ISO 639-1 code; None for the aligner's own.
        aligner: by name; "auto" or None for the server's.
        speakers: "channels" for one speaker on each channel of the recording, "diarize" to tell them apart by voice.
        segments: (start_s, end_s) of stretches of speech, in place of detection; empty for detection.
    """

    transcript: str | None = None
    words: tuple[TimedWord, ...] | None = None
    language: str | None = None
    aligner: str | None = None
    speakers: Speakers | None = None
    segments: tuple[tuple[Seconds, Seconds], ...] = ()

    @property
    def recognises(self) -> bool:
        """Whether nothing is known of what is said."""
        return self.transcript is None and self.words is None


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds by stage; `observe` is told of each stage: its name, how long it took, when it ended (epoch, ns)."""

    timings_ms: dict[str, float] = field(default_factory=dict)
    observe: Callable[[str, Seconds, int], None] = lambda _stage, _spent_s, _ended_ns: None

    def run(self, stage: str, work: Callable[[], _T]) -> _T:
        """The result of `work`, its time added to `stage`."""
        started = time.perf_counter()
        try:
            return work()
        finally:
            self.add(stage, time.perf_counter() - started)

    def add(self, stage: str, spent_s: Seconds, ended_ns: int | None = None) -> None:
        """Time that was spent elsewhere; until now, or until `ended_ns`."""
        self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + spent_s * 1_000
        self.observe(stage, spent_s, ended_ns or time.time_ns())


@dataclass(frozen=True, slots=True, eq=False)
class ScoredUtterance:
    """An utterance, in the recording's time, and what the network says of it."""

    utterance: Utterance
    scores: UtteranceScores


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What was found in a recording."""

    source: AudioSource
    utterances: tuple[ScoredUtterance, ...]
    aligner: AlignerInfo
    warnings: tuple[str, ...]
    timings_ms: dict[str, float]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(classes,) of the whole recording: the mean of its utterances', weighted by duration."""
        return mean_probabilities(self.utterances)


def mean_probabilities(scored: Sequence[ScoredUtterance]) -> NDArray[np.float64]:
    """(classes,) of several utterances, weighted by duration."""
    if len(scored) == 1:
        return scored[0].scores.probabilities
    durations = [each.utterance.duration_s for each in scored]
    mean: NDArray[np.float64] = np.average([each.scores.probabilities for each in scored], 0, durations)
    return mean


class ResultBuilder:
    """Grows window by window into an `Analysis`."""

    def __init__(self, source: AudioSource, warnings: Sequence[str]) -> None:
        self.source = source
        self.warnings = list(warnings)
        self._utterances: list[ScoredUtterance] = []
        self.aligner: AlignerInfo | None = None

    def add(
        self,
        start_s: Seconds,
        transcript: Transcript,
        scores: Sequence[UtteranceScores],
        speaker: str | None = None,
    ) -> list[ScoredUtterance]:
        """A window's utterances, moved to the recording's time.

        Args:
            start_s: of the window in the recording.
            transcript: of the window, in its own time.
            scores: one per utterance.
            speaker: whose window it is, where it is one speaker's.
        """
        found = [
            ScoredUtterance(replace(shift_utterance(utterance, start_s), speaker=speaker or utterance.speaker), score)
            for utterance, score in zip(transcript.utterances, scores, strict=True)
        ]
        self._utterances += found
        self.aligner = transcript.aligner
        place = "".join([f"{speaker}: " if speaker else "", f"from {start_s:.1f} s on: " if start_s else ""])
        self.warnings += [place + warning for warning in transcript.warnings]
        return found

    def finish(self, timings_ms: dict[str, float]) -> Analysis:
        """The whole.

        Raises:
            NoSpeechError: no window held an utterance.
        """
        if self.aligner is None or not self._utterances:
            raise NoSpeechError(self.source.duration_s)
        in_order = sorted(self._utterances, key=lambda scored: scored.utterance.start_s)
        return Analysis(self.source, tuple(in_order), self.aligner, tuple(self.warnings), timings_ms)


def shift_utterance(utterance: Utterance, by_s: Seconds) -> Utterance:
    """The same utterance, later."""
    if not by_s:
        return utterance
    words = tuple(replace(word, start_s=word.start_s + by_s, end_s=word.end_s + by_s) for word in utterance.words)
    return Utterance(utterance.start_s + by_s, utterance.end_s + by_s, words, utterance.speaker)
