"""The whole path, from the bytes of a recording to scored utterances: what HTTP and the command line share."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.given import transcript_of_given_words
from alignment.aligners.protocol import Aligner
from alignment.aligners.selection import choose_aligner
from alignment.audio import AudioSource, Waveform, decode_audio
from alignment.pipeline import compute_features, find_words
from alignment.timing import SAMPLE_RATE_HZ
from alignment.words import AlignerInfo, TimedWord, Transcript
from model.bundle import Bundle, locate_bundle, read_bundle
from model.contract import UtteranceScores
from model.runtime import EmotionClassifier
from service.errors import AlignerNotServedError
from service.settings import Settings

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """What a caller may say beside the recording.

    Attributes:
        transcript: what is said; forced alignment replaces recognition.
        words: what is said and when; nothing is recognised.
        language: ISO 639-1 code; None for the aligner's own.
        aligner: by name; "auto" or None for the server's.
    """

    transcript: str | None = None
    words: tuple[TimedWord, ...] | None = None
    language: str | None = None
    aligner: str | None = None


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds by stage."""

    timings_ms: dict[str, float] = field(default_factory=dict)

    def run(self, stage: str, work: Callable[[], _T]) -> _T:
        """The result of `work`, its time added to `stage`."""
        started = time.perf_counter()
        try:
            return work()
        finally:
            spent_ms = (time.perf_counter() - started) * 1_000
            self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + spent_ms


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What was found in a recording; one score per utterance, in order."""

    waveform: Waveform
    transcript: Transcript
    scores: tuple[UtteranceScores, ...]
    timings_ms: dict[str, float]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(classes,) of the whole recording: the mean of its utterances', weighted by duration."""
        durations = [utterance.duration_s for utterance in self.transcript.utterances]
        mean: NDArray[np.float64] = np.average([scores.probabilities for scores in self.scores], 0, durations)
        return mean


class EmotionEngine:
    """Holds the models; threads may share one."""

    def __init__(self, settings: Settings, *, aligner: Aligner | None = None) -> None:
        """Checks the bundle and the aligner; loads the network, and of the aligner nothing yet.

        Args:
            settings: which bundle, which aligner, which limits.
            aligner: takes the place of the one that the settings name.

        Raises:
            BundleError, ProviderError: the bundle cannot be served.
            AlignerUnavailableError: the aligner asked for cannot run.
        """
        self._max_audio_s = settings.max_audio_s
        self.classifier = EmotionClassifier(
            read_bundle(locate_bundle(settings.bundle)), settings.provider, settings.threads
        )
        self._aligner = aligner or choose_aligner(
            settings.aligner, settings.whisperx.config(), settings.pocketsphinx.workers, settings.deadline_s
        )

    @property
    def bundle(self) -> Bundle:
        """What is served."""
        return self.classifier.bundle

    @property
    def aligner(self) -> AlignerInfo:
        """Who answers, and why."""
        return self._aligner.info

    def warm_up(self) -> None:
        """Has every model answer once; the aligner beside the network.

        Raises:
            AlignerError, BundleError: one of them cannot.
        """
        with ThreadPoolExecutor(1) as beside:
            aligner = beside.submit(self._aligner.warm_up)
            self._warm_up_network()
            aligner.result()

    def _warm_up_network(self) -> None:
        waveform = Waveform(np.zeros(SAMPLE_RATE_HZ, np.float32), AudioSource(1.0, SAMPLE_RATE_HZ, 1))
        words = transcript_of_given_words([TimedWord("ready", 0.2, 0.8, "given")], waveform.duration_s)
        compute_features(waveform, words, self.bundle.config.features)
        self.classifier.warm_up()

    def close(self) -> None:
        """Ends worker processes."""
        self._aligner.close()

    def analyse(self, data: bytes, request: AnalysisRequest | None = None) -> Analysis:
        """The whole path in the calling thread.

        Args:
            data: an audio file.
            request: what is known beside it.

        Raises:
            AlignmentError: the recording or the words cannot be used; see `decode_audio` and `find_words`.
            AlignerNotServedError: the request names another aligner.
        """
        request = request or AnalysisRequest()
        watch = Stopwatch()
        waveform = self.decode(data, watch)
        transcript = self.find_words(waveform, request, watch)
        return self.classify(waveform, transcript, watch)

    def decode(self, data: bytes, watch: Stopwatch) -> Waveform:
        """First stage."""
        return watch.run("decode", lambda: decode_audio(data, self._max_audio_s))

    def find_words(self, waveform: Waveform, request: AnalysisRequest, watch: Stopwatch) -> Transcript:
        """Second stage: recognise, align, or check what was given."""
        aligner = self._choose(request.aligner)
        stage = "recognise" if request.transcript is None and request.words is None else "align"
        return watch.run(
            stage,
            lambda: find_words(
                waveform, aligner, transcript=request.transcript, words=request.words, language=request.language
            ),
        )

    def classify(self, waveform: Waveform, transcript: Transcript, watch: Stopwatch) -> Analysis:
        """Third stage."""
        spec = self.bundle.config.features
        features = watch.run("features", lambda: compute_features(waveform, transcript, spec))
        scores = watch.run("classify", lambda: self.classifier.classify(features))
        return Analysis(waveform, transcript, tuple(scores), watch.timings_ms)

    def _choose(self, name: str | None) -> Aligner:
        if name not in (None, "auto", self._aligner.info.name):
            raise AlignerNotServedError(str(name), [self._aligner.info.name])
        return self._aligner
