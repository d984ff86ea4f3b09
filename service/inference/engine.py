"""From a recording to scored utterances: the models, and the one loop over windows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from alignment.aligners.given import build_given_transcript
from alignment.aligners.protocol import Aligner
from alignment.aligners.whisperx.diarization import Diarizer, PyannoteDiarizer
from alignment.audio import AudioSource, Waveform, decode_audio
from alignment.channels import decode_channels
from alignment.errors import NoSpeechError
from alignment.features.extraction import UtteranceFeatures
from alignment.pipeline import bring_to_level, choose_encoder, compute_features, find_words, select_transcript
from alignment.quality import measure_quality
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.speech.windows import Window
from alignment.timing import SAMPLE_RATE_HZ
from alignment.transcripts.speakers import assign_speakers
from alignment.transcripts.words import AlignerInfo, TimedWord, Transcript
from model.bundle import Bundle
from model.occlusion import HiddenSound, add_effects, occlude_in_chunks
from model.scores import UtteranceScores
from service.errors import SettingsError, UnknownBundleError
from service.inference.checks import check_with_duration, check_without_recording
from service.inference.cutting import cut_recording
from service.inference.loading import load_aligner, load_classifier, load_others
from service.inference.monitored_aligner import monitor_aligner
from service.inference.request import AnalysisRequest
from service.inference.result import AnalysisResult, ResultBuilder
from service.inference.window_loop import Classify, PreparedWindow, WindowEngine, WindowLoop, WindowRequest
from service.observability.stopwatch import Stopwatch
from service.settings import Settings

_MAX_NAME: Final = 100


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


class EmotionEngine:
    """All models of the path; thread-safe.

    Attributes:
        by_bundle: An engine for each served bundle, by its name, the default (this one) first; they share the aligner,
            the encoder and the detectors.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        aligner: Aligner | None = None,
        classifier: Classifier | None = None,
        diarizer: Diarizer | None = None,
        detector: VoiceActivityDetector | None = None,
    ) -> None:
        """Check the bundle and the aligner; load the network, but no model of the aligner yet.

        Args:
            settings: Bundle, aligner and limits.
            aligner: Replaces the aligner of the settings.
            classifier: Replaces the network in this process.
            diarizer: Replaces the pyannote diarizer.
            detector: Replaces a detector of its own.

        Raises:
            BundleError, ProviderError: The bundle cannot be served.
            EncoderUnavailableError: The encoder that the bundle needs is not installed.
            AlignerUnavailableError: The requested aligner cannot run.
        """
        self._max_audio_s = settings.max_audio_s
        self.uncertain_below = settings.uncertain_below
        self.detector = detector or VoiceActivityDetector()
        self.classifier: Classifier
        self.classifier, self.bundle_reason = (classifier, "") if classifier else load_classifier(settings)
        self._encoder = choose_encoder(self.bundle.config.features, settings.threads)
        self._aligner = monitor_aligner(aligner or load_aligner(settings))
        self._diarizer = diarizer or PyannoteDiarizer(settings.whisperx.config())
        self.by_bundle = {self.name: self}
        for other in () if classifier else load_others(settings):
            self._add_bundle(other, settings)

    def _add_bundle(self, classifier: Classifier, settings: Settings) -> None:
        """Serve another bundle."""
        name = classifier.bundle.config.name
        if name in self.by_bundle:
            raise SettingsError(f"CAN_BUNDLES holds two bundles with the name {name!r}; serve one of them")
        single = settings.model_copy(update={"bundles": ()})
        self.by_bundle[name] = EmotionEngine(
            single, aligner=self._aligner, classifier=classifier, diarizer=self._diarizer, detector=self.detector
        )

    def choose(self, request: AnalysisRequest) -> "tuple[EmotionEngine, ...]":
        """Engines of the bundles that a request names, in its order; this one where it names none.

        Raises:
            UnknownBundleError: A bundle is not served.
        """
        for name in request.bundles:
            if name not in self.by_bundle:
                raise UnknownBundleError(name[:_MAX_NAME], list(self.by_bundle))
        return tuple(self.by_bundle[name] for name in request.bundles) or (self,)

    @property
    def bundles(self) -> dict[str, Bundle]:
        """The served bundles by name, the default first."""
        return {name: engine.bundle for name, engine in self.by_bundle.items()}

    @property
    def name(self) -> str:
        """Name of the bundle."""
        return self.bundle.config.name

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
    def aligner_trouble(self) -> str:
        """Why the aligner cannot run, whatever the recording; "" while it can."""
        return self._aligner.trouble

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
            for engine in self.by_bundle.values():
                engine.warm_up_network()
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
        return loop.run().finish(stopwatch.timings_ms)

    def check(self, request: AnalysisRequest) -> None:
        """Raise unless this engine can process the request.

        Raises:
            UnknownBundleError: It names a bundle that is not served.
            DiarizationUnavailableError: It requests diarization, whose package or weights are missing.
            AlignerNotServedError, UnsupportedLanguageError, TranscriptError: See `check_without_recording`.
        """
        self.choose(request)
        if request.speakers == "diarize":
            self._diarizer.require()
        check_without_recording(request, self._aligner, self._max_audio_s)

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

    def start(self, waveform: Waveform, request: AnalysisRequest, stopwatch: Stopwatch) -> WindowLoop:
        """The loop over the windows of a decoded recording.

        Raises:
            TranscriptError: The given words or segments do not fit the recording; see `check_with_duration`.
        """
        request = check_with_duration(request, waveform.duration_s)
        cut = cut_recording(waveform, request, self.detector, self._diarizer, stopwatch)
        windows = ((window, request) for window in cut)
        return self.loop(windows, waveform.source, waveform.warnings, request, stopwatch)

    def loop(
        self,
        windows: Iterable[WindowRequest],
        source: AudioSource,
        warnings: Sequence[str],
        request: AnalysisRequest,
        stopwatch: Stopwatch,
    ) -> WindowLoop:
        """The loop over windows, with the bundles that the request names.

        Args:
            windows: Windows in order.
            source: The decoded file.
            warnings: Warnings of the decoder.
            request: The request.
            stopwatch: Measures the stages.
        """
        engine, *others = self.choose(request)
        result = ResultBuilder(source, warnings, [each.name for each in (engine, *others)])
        return WindowLoop(engine, windows, result, stopwatch, others)

    def prepare(
        self, window: Window, request: AnalysisRequest, stopwatch: Stopwatch, others: Sequence[WindowEngine] = ()
    ) -> PreparedWindow:
        """Words (recognised, aligned or given) and features of a window.

        Args:
            window: Part of the recording.
            request: The request as it applies to it.
            stopwatch: Measures the stages.
            others: Engines of further bundles, which use the same words.
        """
        waveform = self._bring_to_level(window, request)
        stage = "recognise" if request.recognises else "align"
        try:
            words = stopwatch.run(stage, partial(self._find_words, waveform, request))
        except NoSpeechError:
            return PreparedWindow(self, window, None, [])
        if window.turns is not None:
            words = assign_speakers(words, window.turns, window.start_s)
        quality = window.quality or measure_quality(window.samples)
        found = PreparedWindow(self, window, words, [], request.explain == "occlusion", quality)
        further = tuple(each.prepare_again(found, request, stopwatch) for each in others)
        return replace(self._add_features(found, waveform, words, stopwatch), others=further)

    def _bring_to_level(self, window: Window, request: AnalysisRequest) -> Waveform:
        source = AudioSource(window.end_s - window.start_s, SAMPLE_RATE_HZ, 1)
        waveform = Waveform(window.samples, source, speech=request.segments)
        return bring_to_level(waveform, self.bundle.config.features)

    def _add_features(
        self, found: PreparedWindow, waveform: Waveform, words: Transcript, stopwatch: Stopwatch
    ) -> PreparedWindow:
        spec = self.bundle.config.features
        transcript = select_transcript(words, spec)
        compute = partial(compute_features, waveform, transcript, spec, self._encoder)
        return replace(found, engine=self, transcript=transcript, features=stopwatch.run("features", compute))

    def prepare_again(self, found: PreparedWindow, request: AnalysisRequest, stopwatch: Stopwatch) -> PreparedWindow:
        """Features of this engine's bundle for a window whose words another engine has found.

        Args:
            found: The window with its words.
            request: The request as it applies to the window.
            stopwatch: Measures the stages.

        Raises:
            TypeError: The window has no words.
        """
        if found.transcript is None:
            raise TypeError("the window has no words")
        words = found.transcript
        if self.bundle.config.features.level_db != found.engine.bundle.config.features.level_db:
            # Encoder states depend on the level of the sound.
            words = replace(words, encoded=())
        return self._add_features(found, self._bring_to_level(found.window, request), words, stopwatch)

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
