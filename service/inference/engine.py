"""The whole path, from the bytes of a recording to scored utterances: what HTTP and the command line share."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from heapq import merge
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.given import build_given_transcript
from alignment.aligners.protocol import Aligner
from alignment.aligners.selection import choose_aligner
from alignment.aligners.whisperx.diarization import Diarizer, PyannoteDiarizer
from alignment.audio import AudioSource, Waveform, decode_audio, decode_channels
from alignment.errors import NoSpeechError
from alignment.features.extraction import UtteranceFeatures
from alignment.pipeline import compute_features, find_words, select_transcript
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.speech.windows import WINDOW_S, Window, cut_windows
from alignment.timing import SAMPLE_RATE_HZ
from alignment.transcripts.speakers import assign_speakers
from alignment.transcripts.words import AlignerInfo, TimedWord, Transcript
from model.bundle import Bundle, locate_bundle, read_bundle
from model.runtime import EmotionClassifier
from model.scores import UtteranceScores
from service.errors import AlignerNotServedError
from service.inference.result import Analysis, AnalysisRequest, ResultBuilder, Speakers, Stopwatch
from service.settings import Settings


class Classifier(Protocol):
    """Scores utterances with a bundle's network; threads may share one."""

    bundle: Bundle
    provider: str
    calls_at_once: int
    """How many calls are worth having under way."""

    def classify(self, utterances: Sequence[UtteranceFeatures]) -> list[UtteranceScores]:
        """Scores of each utterance, in order."""

    def warm_up(self) -> None:
        """Has the network answer once."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedWindow:
    """What a window says, in its own time, and what the network reads of it: one entry per utterance."""

    transcript: Transcript
    features: list[UtteranceFeatures]


class EmotionEngine:
    """Holds the models; threads may share one."""

    def __init__(
        self,
        settings: Settings,
        *,
        aligner: Aligner | None = None,
        classifier: Classifier | None = None,
        diarizer: Diarizer | None = None,
    ) -> None:
        """Checks the bundle and the aligner; loads the network, and of the aligner nothing yet.

        Args:
            settings: which bundle, which aligner, which limits.
            aligner: takes the place of the one that the settings name.
            classifier: takes the place of the network in this process.
            diarizer: takes the place of pyannote's.

        Raises:
            BundleError, ProviderError: the bundle cannot be served.
            AlignerUnavailableError: the aligner asked for cannot run.
        """
        self._max_audio_s = settings.max_audio_s
        self.detector = VoiceActivityDetector()
        self.classifier: Classifier = classifier or load_classifier(settings)
        self._aligner = aligner or load_aligner(settings)
        self._diarizer = diarizer or PyannoteDiarizer(settings.whisperx.config())

    @property
    def bundle(self) -> Bundle:
        """What is served."""
        return self.classifier.bundle

    @property
    def aligner(self) -> AlignerInfo:
        """Who answers, and why."""
        return self._aligner.info

    @property
    def aligner_calls_at_once(self) -> int:
        """See `alignment.aligners.protocol.Aligner.calls_at_once`."""
        return self._aligner.calls_at_once

    def warm_up(self) -> None:
        """Has every model answer once; the aligner beside the network.

        Raises:
            AlignerError, BundleError: one of them cannot.
        """
        with ThreadPoolExecutor(1) as beside:
            aligner = beside.submit(self._aligner.warm_up)
            self.warm_up_network()
            aligner.result()

    def warm_up_network(self) -> None:
        """Has features and network answer once.

        Raises:
            BundleError: they cannot.
        """
        waveform = Waveform(np.zeros(SAMPLE_RATE_HZ, np.float32), AudioSource(1.0, SAMPLE_RATE_HZ, 1))
        words = build_given_transcript([TimedWord("ready", 0.2, 0.8, "given")], waveform.duration_s)
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
        self.check(request)
        watch = Stopwatch()
        waveform = self.decode(data, watch, request.speakers)
        findings = ResultBuilder(waveform.source, waveform.warnings)
        for window in self.cut(waveform, request, watch):
            prepared = self.prepare(window, request, watch)
            if prepared is not None:
                scores = watch.run("classify", partial(self.classify, prepared.features))
                findings.add(window.start_s, prepared.transcript, scores, window.speaker)
        return findings.finish(watch.timings_ms)

    def check(self, request: AnalysisRequest) -> None:
        """Passes when such a request can be answered here.

        Raises:
            AlignerNotServedError: it names another aligner.
            DiarizationUnavailableError: it wants speakers told apart, and what does that is not there.
        """
        if request.speakers == "diarize":
            self._diarizer.require()
        if request.aligner not in (None, "auto", self._aligner.info.name):
            raise AlignerNotServedError(str(request.aligner), [self._aligner.info.name])

    def decode(
        self,
        data: bytes,
        watch: Stopwatch,
        speakers: Speakers | None = None,
        *,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> Waveform:
        """First stage; stops when it is `abandoned`."""
        decode = decode_channels if speakers == "channels" else decode_audio
        return watch.run("decode", lambda: decode(data, self._max_audio_s, abandoned=abandoned))

    def cut(
        self, waveform: Waveform, request: AnalysisRequest, watch: Stopwatch
    ) -> Sequence[Window] | Iterator[Window]:
        """Windows that are worked on one after the other; only what is to be recognised can be cut unseen."""
        if request.speakers == "channels":
            tracks = [self._cut_track(f"channel {number}", track) for number, track in enumerate(waveform.tracks, 1)]
            return merge(*tracks, key=lambda window: window.start_s)
        if request.speakers == "diarize":
            return self._cut_with_turns(waveform, watch)
        if request.recognises and not request.segments and waveform.duration_s > WINDOW_S:
            return cut_windows(waveform.samples, self.detector)
        return [Window(0.0, waveform.samples)]

    def _cut_track(self, speaker: str, samples: NDArray[np.float32] | None) -> Iterator[Window]:
        """A speaker's windows; none of a silent channel."""
        if samples is not None:
            for window in cut_windows(samples, self.detector):
                yield replace(window, speaker=speaker)

    def _cut_with_turns(self, waveform: Waveform, watch: Stopwatch) -> Iterator[Window]:
        """All windows, once it is known who speaks when in the whole recording."""
        turns = tuple(watch.run("diarize", lambda: self._diarizer.diarize(waveform)))
        for window in cut_windows(waveform.samples, self.detector):
            yield replace(window, turns=turns)

    def prepare(self, window: Window, request: AnalysisRequest, watch: Stopwatch) -> PreparedWindow | None:
        """Second and third stage: words (recognised, aligned or given) and features; None when nobody speaks."""
        source = AudioSource(window.end_s - window.start_s, SAMPLE_RATE_HZ, 1)
        waveform = Waveform(window.samples, source, speech=request.segments)
        stage = "recognise" if request.recognises else "align"
        try:
            words = watch.run(stage, lambda: self._find_words(waveform, request))
        except NoSpeechError:
            return None
        if window.turns is not None:
            words = assign_speakers(words, window.turns, window.start_s)
        spec = self.bundle.config.features
        transcript = select_transcript(words, spec)
        return PreparedWindow(transcript, watch.run("features", lambda: compute_features(waveform, transcript, spec)))

    def classify(self, features: Sequence[UtteranceFeatures]) -> list[UtteranceScores]:
        """Last stage; utterances may come from different requests."""
        return self.classifier.classify(features)

    def _find_words(self, waveform: Waveform, request: AnalysisRequest) -> Transcript:
        return find_words(
            waveform,
            self._aligner,
            transcript=request.transcript,
            words=request.words,
            language=request.language,
        )


def load_classifier(settings: Settings) -> EmotionClassifier:
    """The network that the settings name.

    Raises:
        BundleError, ProviderError: it cannot be served.
    """
    return EmotionClassifier(read_bundle(locate_bundle(settings.bundle)), settings.provider, settings.threads)


def load_aligner(settings: Settings) -> Aligner:
    """The aligner that the settings name; nothing of it is loaded yet.

    Raises:
        AlignerUnavailableError: it cannot run.
    """
    return choose_aligner(
        settings.aligner, settings.whisperx.config(), settings.pocketsphinx.workers, settings.deadline_s
    )
