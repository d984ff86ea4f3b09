"""The one loop over the windows of a recording, and a window on its way through it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from alignment.features.extraction import UtteranceFeatures
from alignment.quality import SoundQuality
from alignment.speech.windows import Window
from alignment.transcripts.words import Transcript
from model.bundle import Bundle
from model.scores import UtteranceScores
from service.inference.request import AnalysisRequest
from service.inference.result import ResultBuilder, WindowResult
from service.observability.stopwatch import Stopwatch

Classify = Callable[[Sequence[UtteranceFeatures]], list[UtteranceScores]]
WindowRequest = tuple[Window, AnalysisRequest]
"""A window, and the request as it applies to it."""


class WindowEngine(Protocol):
    """What the loop needs of an engine; `service.inference.engine.EmotionEngine` describes the methods."""

    @property
    def bundle(self) -> Bundle:
        """The served bundle."""

    def prepare(
        self, window: Window, request: AnalysisRequest, stopwatch: Stopwatch, others: "Sequence[WindowEngine]" = ()
    ) -> "PreparedWindow":
        """Words and features of a window."""

    def prepare_again(
        self, found: "PreparedWindow", request: AnalysisRequest, stopwatch: Stopwatch
    ) -> "PreparedWindow":
        """Features of a window whose words another engine has found."""

    def classify(self, features: Sequence[UtteranceFeatures]) -> list[UtteranceScores]:
        """Scores of utterances."""

    def score(self, prepared: "PreparedWindow", classify: Classify) -> list[UtteranceScores]:
        """Scores of a window."""

    def occlude(self, prepared: "PreparedWindow") -> Iterator[list[UtteranceFeatures]]:
        """Variants of the utterances of a window without one word each."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedWindow:
    """A window without scores.

    Attributes:
        engine: Engine of the bundle that the features are for.
        window: Part of the recording.
        transcript: Its utterances, in the time of the window; None where it holds no speech.
        features: One entry per utterance.
        occludes: Whether the request asks for the effects of words.
        quality: Quality of the sound; None without speech.
        others: The same window for further bundles.
    """

    engine: WindowEngine
    window: Window
    transcript: Transcript | None
    features: list[UtteranceFeatures]
    occludes: bool = False
    quality: SoundQuality | None = None
    others: "tuple[PreparedWindow, ...]" = ()

    def score(self) -> list[UtteranceScores]:
        """Scores of the utterances, in the calling thread."""
        engine = self.engine
        return engine.score(self, engine.classify) if self.features else []


class WindowLoop:
    """The loop over the windows of one recording: prepare, classify, add.

    Every path uses it: the command line and archives in one thread (`run`, `windows`), the service with `prepare` in a
    pool of threads and the features of several requests scored together, worker processes with several loops at once.
    """

    def __init__(
        self,
        engine: WindowEngine,
        windows: Iterable[WindowRequest],
        result: ResultBuilder,
        stopwatch: Stopwatch,
        others: Sequence[WindowEngine] = (),
    ) -> None:
        """Prepare nothing yet.

        Args:
            engine: The models.
            windows: Windows in order; the next one may be cut when it is needed.
            result: Collects the window results.
            stopwatch: Measures the stages.
            others: Engines of further bundles, one for each of `result.others`.
        """
        self._engine, self._stopwatch, self._others = engine, stopwatch, others
        self._windows: Iterator[WindowRequest] = iter(windows)
        self.result = result

    def prepare(self) -> PreparedWindow | None:
        """Cut and prepare the next window; None after the last one. This is the expensive part.

        Raises:
            AlignmentError: The words cannot be found or used; see `find_words`.
        """
        pair = next(self._windows, None)
        return None if pair is None else self._engine.prepare(*pair, self._stopwatch, self._others)

    def add(
        self,
        prepared: PreparedWindow,
        scores: Sequence[UtteranceScores],
        others: Sequence[Sequence[UtteranceScores]] = (),
    ) -> WindowResult:
        """Add the scores of a prepared window to the result.

        Args:
            prepared: The window.
            scores: One entry per utterance.
            others: Scores of `prepared.others`.
        """
        if prepared.transcript is None:
            return WindowResult(prepared.window, ())
        found = self.result.add(prepared.window, prepared.transcript, scores, prepared.quality)
        further = [
            result.add(prepared.window, other.transcript, other_scores, prepared.quality).utterances
            for result, other, other_scores in zip(self.result.others, prepared.others, others, strict=True)
            if other.transcript is not None
        ]
        return replace(found, others=tuple(further))

    def windows(self, cancelled: Callable[[], bool] = lambda: False) -> Iterator[WindowResult]:
        """Results of the remaining windows, one after the other, until `cancelled` returns true."""
        while not cancelled() and (prepared := self.prepare()) is not None:
            scores, *others = [self._stopwatch.run("classify", each.score) for each in (prepared, *prepared.others)]
            yield self.add(prepared, scores, others)

    def close(self) -> None:
        """Release the recording: the traceback of a failed request can keep this loop until it is collected."""
        self._windows = iter(())

    def run(self) -> ResultBuilder:
        """Process all windows in the calling thread and return the result builder."""
        for _ in self.windows():
            pass
        return self.result
