"""From a recording to scored utterances: the models, and the one loop over windows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from heapq import merge
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.given import build_given_transcript
from alignment.aligners.protocol import Aligner
from alignment.aligners.whisperx.diarization import Diarizer, PyannoteDiarizer
from alignment.audio import AudioSource, Waveform, decode_audio
from alignment.channels import decode_channels
from alignment.errors import NoSpeechError
from alignment.features.extraction import UtteranceFeatures
from alignment.pipeline import bring_to_level, choose_encoder, compute_features, find_words, select_transcript
from alignment.quality import SoundQuality, measure_quality
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.speech.windows import WINDOW_S, Window, cut_windows
from alignment.timing import SAMPLE_RATE_HZ
from alignment.transcripts.speakers import assign_speakers
from alignment.transcripts.words import AlignerInfo, TimedWord, Transcript, check_word_lengths
from model.bundle import Bundle
from model.occlusion import HiddenSound, add_effects, occlude_in_chunks
from model.scores import UtteranceScores
from service.errors import AlignerNotServedError
from service.inference.loading import load_aligner, load_classifier
from service.inference.request import AnalysisRequest
from service.inference.result import AnalysisResult, ResultBuilder, WindowResult
from service.observability.stopwatch import Stopwatch
from service.settings import Settings

Classify = Callable[[Sequence[UtteranceFeatures]], list[UtteranceScores]]
WindowRequest = tuple[Window, AnalysisRequest]
"""A window, and the request as it applies to it."""


class Classifier(Protocol):
    """Scores utterances with the network of a bundle; thread-safe."""

    bundle: Bundle
    provider: str
    calls_at_once: int
    """Number of concurrent calls that increase throughput."""

    def classify(self, utterances: Sequence[UtteranceFeatures]) -> list[UtteranceScores]:
        """Scores of each utterance, in order."""

    def warm_up(self) -> None:
        """Run the network once."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedWindow:
    """A window without scores.

    Attributes:
        window: Part of the recording.
        transcript: Its utterances, in the time of the window; None where it holds no speech.
        features: One entry per utterance.
        occludes: Whether the request asks for the effects of words.
        quality: Quality of the sound; None without speech.
    """

    window: Window
    transcript: Transcript | None
    features: list[UtteranceFeatures]
    occludes: bool = False
    quality: SoundQuality | None = None


class EmotionEngine:
    """All models of the path; thread-safe."""

    def __init__(
        self,
        settings: Settings,
        *,
        aligner: Aligner | None = None,
        classifier: Classifier | None = None,
        diarizer: Diarizer | None = None,
    ) -> None:
        """Check the bundle and the aligner; load the network, but no model of the aligner yet.

        Args:
            settings: Bundle, aligner and limits.
            aligner: Replaces the aligner of the settings.
            classifier: Replaces the network in this process.
            diarizer: Replaces the pyannote diarizer.

        Raises:
            BundleError, ProviderError: The bundle cannot be served.
            EncoderUnavailableError: The encoder that the bundle needs is not installed.
            AlignerUnavailableError: The requested aligner cannot run.
        """
        self._max_audio_s = settings.max_audio_s
        self.uncertain_below = settings.uncertain_below
        self.detector = VoiceActivityDetector()
        self.classifier: Classifier
        self.classifier, self.bundle_reason = (classifier, "") if classifier else load_classifier(settings)
        self._encoder = choose_encoder(self.bundle.config.features, settings.threads)
        self._aligner = aligner or load_aligner(settings)
        self._diarizer = diarizer or PyannoteDiarizer(settings.whisperx.config())

    @property
    def bundle(self) -> Bundle:
        """The served bundle."""
        return self.classifier.bundle

    @property
    def notices(self) -> tuple[str, ...]:
        """Warnings that belong to every response."""
        return (self.bundle_reason,) if self.bundle_reason else ()

    @property
    def aligner(self) -> AlignerInfo:
        """The served aligner, and the reason for its choice."""
        return self._aligner.info

    @property
    def aligner_loaded(self) -> bool:
        """Whether the models of the aligner are in memory; otherwise the next request that needs them loads them."""
        return self._aligner.loaded

    @property
    def aligner_calls_at_once(self) -> int:
        """See `alignment.aligners.protocol.Aligner.calls_at_once`."""
        return self._aligner.calls_at_once

    def warm_up(self) -> None:
        """Run every model once; the aligner and the network in parallel.

        Raises:
            AlignerError, BundleError: A model cannot run.
        """
        with ThreadPoolExecutor(1) as parallel:
            aligner = parallel.submit(self._aligner.warm_up)
            self.warm_up_network()
            aligner.result()

    def warm_up_network(self) -> None:
        """Run feature extraction and the network once.

        Raises:
            BundleError: They cannot run.
        """
        waveform = Waveform(np.zeros(SAMPLE_RATE_HZ, np.float32), AudioSource(1.0, SAMPLE_RATE_HZ, 1))
        words = build_given_transcript([TimedWord("ready", 0.2, 0.8, "given")], waveform.duration_s)
        compute_features(waveform, words, self.bundle.config.features, self._encoder)
        self.classifier.warm_up()

    def close(self) -> None:
        """End worker processes."""
        self._aligner.close()

    def analyse(self, data: bytes | Path, request: AnalysisRequest | None = None) -> AnalysisResult:
        """Analyse a recording in the calling thread.

        Args:
            data: An audio file, or its path; a file on disk is not loaded as a whole.
            request: What is known about it.

        Raises:
            AlignmentError: The recording or the words cannot be used; see `decode_audio` and `find_words`.
            AlignerNotServedError: The request names another aligner.
            OSError: The file of the path cannot be read.
        """
        request = request or AnalysisRequest()
        self.check(request)
        stopwatch = Stopwatch()
        loop = self.start(self.decode(data, request, stopwatch), request, stopwatch)
        return loop.run(self.classify).finish(stopwatch.timings_ms)

    def check(self, request: AnalysisRequest) -> None:
        """Raise unless this engine can process the request.

        Raises:
            AlignerNotServedError: It names another aligner.
            DiarizationUnavailableError: It requests diarization, whose package or weights are missing.
            WordTooLongError: A given word lasts longer than 15 s.
        """
        check_word_lengths(request.words or ())
        if request.speakers == "diarize":
            self._diarizer.require()
        if request.aligner not in (None, "auto", self._aligner.info.name):
            raise AlignerNotServedError(str(request.aligner), [self._aligner.info.name])

    def decode(
        self,
        data: bytes | Path,
        request: AnalysisRequest,
        stopwatch: Stopwatch,
        *,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Waveform:
        """Decode a recording; `cancelled` is called between blocks and stops decoding.

        Raises:
            AudioError: See `decode_audio`.
        """
        decode = decode_channels if request.speakers == "channels" else decode_audio
        return stopwatch.run("decode", lambda: decode(data, self._max_audio_s, abandoned=cancelled))

    def start(self, waveform: Waveform, request: AnalysisRequest, stopwatch: Stopwatch) -> "WindowLoop":
        """The loop over the windows of a decoded recording.

        Raises:
            TranscriptError: The given words cannot be used; see `AnalysisRequest.with_duration`.
        """
        request = request.with_duration(waveform.duration_s)
        windows = ((window, request) for window in self._cut(waveform, request, stopwatch))
        result = ResultBuilder(waveform.source, waveform.warnings)
        return WindowLoop(self, windows, result, stopwatch)

    def _cut(self, waveform: Waveform, request: AnalysisRequest, stopwatch: Stopwatch) -> Iterable[Window]:
        """Windows in order; a recording whose words or segments are given is one window."""
        if request.speakers == "channels":
            tracks = [self._cut_track(f"channel {number}", track) for number, track in enumerate(waveform.tracks, 1)]
            return merge(*tracks, key=lambda window: window.start_s)
        if request.speakers == "diarize":
            return self._cut_with_turns(waveform, stopwatch)
        if request.recognises and not request.segments and waveform.duration_s > WINDOW_S:
            return cut_windows(waveform.samples, self.detector)
        return [Window(0.0, waveform.samples, quality=waveform.quality)]

    def _cut_track(self, speaker: str, samples: NDArray[np.float32] | None) -> Iterator[Window]:
        """Windows of one channel; none of a silent one."""
        if samples is not None:
            for window in cut_windows(samples, self.detector):
                yield replace(window, speaker=speaker)

    def _cut_with_turns(self, waveform: Waveform, stopwatch: Stopwatch) -> Iterator[Window]:
        """Windows with the speaker turns of the whole recording."""
        turns = tuple(stopwatch.run("diarize", lambda: self._diarizer.diarize(waveform)))
        for window in cut_windows(waveform.samples, self.detector):
            yield replace(window, turns=turns)

    def prepare(self, window: Window, request: AnalysisRequest, stopwatch: Stopwatch) -> PreparedWindow:
        """Words (recognised, aligned or given) and features of a window."""
        source = AudioSource(window.end_s - window.start_s, SAMPLE_RATE_HZ, 1)
        spec = self.bundle.config.features
        waveform = bring_to_level(Waveform(window.samples, source, speech=request.segments), spec)
        stage = "recognise" if request.recognises else "align"
        try:
            words = stopwatch.run(stage, partial(self._find_words, waveform, request))
        except NoSpeechError:
            return PreparedWindow(window, None, [])
        if window.turns is not None:
            words = assign_speakers(words, window.turns, window.start_s)
        transcript = select_transcript(words, spec)
        compute = partial(compute_features, waveform, transcript, spec, self._encoder)
        features = stopwatch.run("features", compute)
        quality = window.quality or measure_quality(window.samples)
        return PreparedWindow(window, transcript, features, request.explain == "occlusion", quality)

    def classify(self, features: Sequence[UtteranceFeatures]) -> list[UtteranceScores]:
        """Scores of utterances, possibly of several requests."""
        return self.classifier.classify(features)

    def score(self, prepared: PreparedWindow, classify: Classify) -> list[UtteranceScores]:
        """Scores of the utterances of a window, with the effects of words where the request asks for them."""
        return self.measure_effects(prepared, classify(prepared.features), classify)

    def measure_effects(
        self, prepared: PreparedWindow, scores: list[UtteranceScores], classify: Classify
    ) -> list[UtteranceScores]:
        """The scores of a window with the effects of words, where the request asks for them."""
        if not prepared.occludes:
            return scores
        return add_effects(scores, (each for variants in self.occlude(prepared) for each in classify(variants)))

    def occlude(self, prepared: PreparedWindow) -> Iterator[list[UtteranceFeatures]]:
        """Variants of the utterances of a window without one word each, in chunks; see `model.occlusion`."""
        return occlude_in_chunks(prepared.features, HiddenSound.of(self.bundle))

    def _find_words(self, waveform: Waveform, request: AnalysisRequest) -> Transcript:
        return find_words(
            waveform, self._aligner, transcript=request.transcript, words=request.words, language=request.language
        )


class WindowLoop:
    """The loop over the windows of one recording: prepare, classify, add.

    Every path uses it: the command line and archives in one thread (`run`, `windows`), the service with `prepare` in a
    pool of threads and the features of several requests scored together, worker processes with several loops at once.
    """

    def __init__(
        self, engine: EmotionEngine, windows: Iterable[WindowRequest], result: ResultBuilder, stopwatch: Stopwatch
    ) -> None:
        """Prepare nothing yet.

        Args:
            engine: The models.
            windows: Windows in order; the next one may be cut when it is needed.
            result: Collects the window results.
            stopwatch: Measures the stages.
        """
        self._engine, self._stopwatch = engine, stopwatch
        self._windows: Iterator[WindowRequest] = iter(windows)
        self.result = result

    def prepare(self) -> PreparedWindow | None:
        """Cut and prepare the next window; None after the last one. This is the expensive part.

        Raises:
            AlignmentError: The words cannot be found or used; see `find_words`.
        """
        pair = next(self._windows, None)
        return None if pair is None else self._engine.prepare(*pair, self._stopwatch)

    def add(self, prepared: PreparedWindow, scores: Sequence[UtteranceScores]) -> WindowResult:
        """Add the scores of a prepared window to the result."""
        if prepared.transcript is None:
            return WindowResult(prepared.window, ())
        return self.result.add(prepared.window, prepared.transcript, scores, prepared.quality)

    def windows(self, classify: Classify, cancelled: Callable[[], bool] = lambda: False) -> Iterator[WindowResult]:
        """Results of the remaining windows, one after the other, until `cancelled` returns true."""
        while not cancelled() and (prepared := self.prepare()) is not None:
            score = partial(self._engine.score, prepared, classify)
            yield self.add(prepared, self._stopwatch.run("classify", score) if prepared.features else [])

    def close(self) -> None:
        """Release the recording: the traceback of a failed request can keep this loop until it is collected."""
        self._windows = iter(())

    def run(self, classify: Classify) -> ResultBuilder:
        """Process all windows in the calling thread and return the result builder."""
        for _ in self.windows(classify):
            pass
        return self.result
