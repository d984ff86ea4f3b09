"""Per-window results and their aggregation into the result of a recording."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alignment.audio import AudioSource
from alignment.errors import NoSpeechError
from alignment.quality import SoundQuality
from alignment.speech.windows import Window
from alignment.timing import Seconds
from alignment.transcripts.words import AlignerInfo, Transcript, Utterance
from model.scores import UtteranceScores


@dataclass(frozen=True, slots=True, eq=False)
class ScoredUtterance:
    """An utterance, in the time of the recording, its scores, and the quality of the sound where it was measured."""

    utterance: Utterance
    scores: UtteranceScores
    quality: SoundQuality | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WindowResult:
    """A window of a recording and its scored utterances; none where the window holds no speech.

    Attributes:
        window: Part of the recording.
        utterances: Scores of the first requested bundle.
        others: Scores of further bundles.
        warnings: Warnings about its words.
    """

    window: Window
    utterances: tuple[ScoredUtterance, ...]
    others: tuple[tuple[ScoredUtterance, ...], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisResult:
    """The result of a recording.

    Attributes:
        source: The decoded file.
        utterances: At least one, in order of their start.
        aligner: The engine that provided the words.
        warnings: What was cut, interpolated or doubtful.
        timings_ms: Time by stage.
        bundle: Name of the bundle.
        others: Results of further bundles, in the order of the request.
    """

    source: AudioSource
    utterances: tuple[ScoredUtterance, ...]
    aligner: AlignerInfo
    warnings: tuple[str, ...]
    timings_ms: dict[str, float]
    bundle: str
    others: "tuple[AnalysisResult, ...]" = ()

    @property
    def word_count(self) -> int:
        """Number of words of all utterances, counted for each bundle."""
        own = sum(len(each.utterance.words) for each in self.utterances)
        return own + sum(other.word_count for other in self.others)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(classes,) mean over the utterances, weighted by duration."""
        return mean_probabilities(self.utterances)


def mean_probabilities(scored: Sequence[ScoredUtterance]) -> NDArray[np.float64]:
    """(classes,) mean over utterances, weighted by duration."""
    return average_by_duration(
        [each.scores.probabilities for each in scored], [each.utterance.duration_s for each in scored]
    )


def average_by_duration(probabilities: Sequence[ArrayLike], durations_s: Sequence[Seconds]) -> NDArray[np.float64]:
    """(classes,) mean of (utterances, classes) probabilities, weighted by duration."""
    if len(probabilities) == 1:
        return np.asarray(probabilities[0], np.float64)
    mean: NDArray[np.float64] = np.average(np.asarray(probabilities, np.float64), 0, durations_s)
    return mean


class ResultBuilder:
    """Collects window results into an `AnalysisResult`."""

    def __init__(self, source: AudioSource, warnings: Sequence[str], bundles: Sequence[str]) -> None:
        """Start without utterances.

        Args:
            source: The decoded file.
            warnings: Warnings of the decoder.
            bundles: Names of the bundles whose results are collected, at least one.
        """
        self.source = source
        self.bundle, *others = bundles
        self.others = [ResultBuilder(source, (), [name]) for name in others]
        self.warnings = list(warnings)
        self._utterances: list[ScoredUtterance] = []
        self._aligner: AlignerInfo | None = None

    def add(
        self,
        window: Window,
        transcript: Transcript,
        scores: Sequence[UtteranceScores],
        quality: SoundQuality | None = None,
    ) -> WindowResult:
        """Add the utterances of a window, moved to the time of the recording.

        Args:
            window: Part of the recording.
            transcript: Its utterances, in the time of the window.
            scores: One entry per utterance.
            quality: Quality of the sound of the window, where it was measured.
        """
        scored = tuple(
            ScoredUtterance(_place(utterance, window), score, quality)
            for utterance, score in zip(transcript.utterances, scores, strict=True)
        )
        self._utterances += scored
        self._aligner = transcript.aligner
        origin = [f"{window.speaker}: " if window.speaker else "", _since(window)]
        self.warnings += ["".join([*origin, warning]) for warning in transcript.warnings]
        return WindowResult(window, scored, warnings=transcript.warnings)

    def finish(self, timings_ms: dict[str, float]) -> AnalysisResult:
        """Build the result of the recording.

        Raises:
            NoSpeechError: No window holds an utterance.
        """
        if self._aligner is None or not self._utterances:
            raise NoSpeechError(self.source.duration_s)
        ordered = sorted(self._utterances, key=lambda scored: scored.utterance.start_s)
        return AnalysisResult(
            self.source,
            tuple(ordered),
            self._aligner,
            tuple(self.warnings),
            timings_ms,
            self.bundle,
            tuple(other.finish({}) for other in self.others),
        )


def _since(window: Window) -> str:
    return f"from {window.start_s:.1f} s on: " if window.start_s else ""


def _place(utterance: Utterance, window: Window) -> Utterance:
    """The utterance in the time of the recording, with the speaker of the window where it has one."""
    speaker = window.speaker or utterance.speaker
    by_s = window.start_s
    if not by_s:
        return replace(utterance, speaker=speaker)
    words = tuple(replace(word, start_s=word.start_s + by_s, end_s=word.end_s + by_s) for word in utterance.words)
    return Utterance(utterance.start_s + by_s, utterance.end_s + by_s, words, speaker)
