"""WhisperX: Whisper recognises, wav2vec 2.0 gives every word its times.

Our own voice activity detection cuts the recording into windows of at most 30 s; their spectrograms go through
CTranslate2 in batches, along the pipeline's stateless inner path, because `transcribe()` keeps language, task and
options on the pipeline and mixes them up between threads. Each window is then aligned on its own sound, so that a
segment's end past the audio cannot stretch its times.

Source: Bain et al. 2023, "WhisperX: Time-Accurate Speech Transcription of Long-Form Audio", Interspeech.
"""

import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from math import isfinite
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.whisperx_weights import NAME, WhisperXConfig, require_weights
from alignment.audio import Waveform
from alignment.errors import (
    AlignerFailedError,
    AlignerUnavailableError,
    NoSpeechError,
    UnsupportedLanguageError,
)
from alignment.interpolation import Span, interpolate_spans
from alignment.utterances import Stretch, group_words, join_stretches
from alignment.voice_activity import VoiceActivityDetector
from alignment.words import AlignerInfo, TimedWord, Timing, Transcript, check_transcript

_MAX_WINDOW_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Engine:
    """What `whisperx` loaded."""

    pipeline: Any
    align_model: Any
    align_metadata: dict[str, Any]
    device: str


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One sentence of a window: its words and their times, None where WhisperX gave none."""

    words: tuple[str, ...]
    spans: tuple[Span | None, ...]
    scores: tuple[float | None, ...]


_UNKNOWN_WORD: Final = _Sentence(("",), (None,), (None,))
"""Speech in which no word was recognised."""


class WhisperXAligner:
    """Recognition and forced alignment with the real library; loads on first use."""

    def __init__(self, config: WhisperXConfig, reason: str = "") -> None:
        """Loads nothing yet, but checks that everything is there.

        Raises:
            AlignerUnavailableError: the package or weights are missing.
        """
        require_weights(config)
        self.info = AlignerInfo(NAME, config.model, config.language, reason)
        self._config = config
        self._detector = VoiceActivityDetector()
        self._engine: _Engine | None = None
        self._load_lock = Lock()
        self._model_lock = Lock()

    def warm_up(self) -> None:
        """Loads the models and has both answer once."""
        silence = np.zeros(16_000, np.float32)
        self._transcribe_windows([silence])
        self._align_window(silence, "a")

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """See `Aligner.recognise`."""
        self._check_language(language)
        windows = self._windows(waveform)
        sounds = [waveform.cut(window.start_s, window.end_s) for window in windows]
        texts = self._transcribe_windows(sounds)
        sentences = [
            (window, sentence)
            for window, sound, text in zip(windows, sounds, texts, strict=True)
            for sentence in (self._align_window(sound, text) if text.strip() else [_UNKNOWN_WORD])
        ]
        return self._transcript(sentences, waveform, "recognised")

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """See `Aligner.align`; the whole text is aligned with everything from the first speech to the last."""
        self._check_language(language)
        words = check_transcript(text, waveform.duration_s)
        windows = self._windows(waveform)
        whole = Stretch(windows[0].start_s, windows[-1].end_s)
        sentences = self._align_window(waveform.cut(whole.start_s, whole.end_s), " ".join(words))
        return self._transcript([(whole, sentence) for sentence in sentences], waveform, "aligned")

    def close(self) -> None:
        """Lets go of the models."""
        self._engine = None

    def _check_language(self, language: str | None) -> None:
        if language is not None and language.split("-")[0].lower() != self._config.language:
            raise UnsupportedLanguageError(NAME, language, self._config.language)

    def _windows(self, waveform: Waveform) -> list[Stretch]:
        stretches = self._detector.detect(waveform.samples)
        if not stretches:
            raise NoSpeechError(waveform.duration_s)
        return join_stretches(stretches, _MAX_WINDOW_S, max_pause_s=_MAX_WINDOW_S)

    def _transcribe_windows(self, sounds: Sequence[NDArray[np.float32]]) -> list[str]:
        """Text of each window, in batches."""
        engine = self._load()
        import torch
        from whisperx.audio import N_SAMPLES, log_mel_spectrogram

        pipeline = engine.pipeline
        mels = pipeline.model.feat_kwargs.get("feature_size") or 80
        texts: list[str] = []
        for first in range(0, len(sounds), self._config.batch_size):
            batch = sounds[first : first + self._config.batch_size]
            features = torch.stack([log_mel_spectrogram(s, mels, padding=N_SAMPLES - len(s)) for s in batch])
            try:
                with self._model_lock:
                    output = pipeline.model.generate_segment_batched(features, pipeline.tokenizer, pipeline.options)
            except (RuntimeError, ValueError) as exc:
                raise AlignerFailedError(NAME, str(exc)) from exc
            texts += [text.strip() for text in output["text"]]
        return texts

    def _align_window(self, sound: NDArray[np.float32], text: str) -> list[_Sentence]:
        """Sentences of a window, times relative to it."""
        engine = self._load()
        import whisperx

        segment = {"text": text, "start": 0.0, "end": len(sound) / 16_000}
        try:
            with self._model_lock:
                result = whisperx.align([segment], engine.align_model, engine.align_metadata, sound, engine.device)
        except (RuntimeError, ValueError, LookupError) as exc:
            raise AlignerFailedError(NAME, str(exc)) from exc
        sentences = [_parse_sentence(entry) for entry in result["segments"] if entry["words"]]
        words = text.split()
        if [word for sentence in sentences for word in sentence.words] != words:
            return [_Sentence(tuple(words), (None,) * len(words), (None,) * len(words))]
        return sentences

    def _transcript(
        self, sentences: Sequence[tuple[Stretch, _Sentence]], waveform: Waveform, timing: Timing
    ) -> Transcript:
        words: list[TimedWord] = []
        breaks: set[int] = set()
        for window, run in _by_window(sentences):
            start = len(words)
            for sentence in run:
                breaks.add(start)
                start += len(sentence.words)
            words += _timed_words(window, run, timing)
        missing = sum(word.timing == "interpolated" for word in words)
        warning = f"{missing} of {len(words)} words had no time of their own and were interpolated"
        utterances = group_words(words, waveform.duration_s, frozenset(breaks))
        return Transcript(utterances, self.info, (warning,) if missing else ())

    def _load(self) -> _Engine:
        with self._load_lock:
            if self._engine is None:
                self._engine = _load_engine(self._config)
            return self._engine


def _load_engine(config: WhisperXConfig) -> _Engine:
    os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if not config.download:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        # The library prints to standard output, which belongs to our own answers.
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            # It never decodes files here, so that the decoder it misses is not missed.
            warnings.filterwarnings("ignore", message="(?s).*torchcodec is not installed correctly")
            return _load_models(config)
    except (ImportError, OSError, RuntimeError, ValueError, LookupError) as exc:
        raise AlignerUnavailableError(NAME, str(exc), "check the model names, or name local folders") from exc


def _load_models(config: WhisperXConfig) -> _Engine:
    import torch
    import whisperx

    device = config.device if config.device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    compute_type = config.compute_type
    if compute_type == "auto":
        compute_type = "float16" if device == "cuda" else "int8"
    pipeline = whisperx.load_model(
        config.model,
        device,
        compute_type=compute_type,
        language=config.language,
        vad_model=_no_vad,
        local_files_only=not config.download,
        threads=config.threads,
    )
    align_model, metadata = whisperx.load_align_model(
        config.language, device, model_name=config.align_model or None, model_cache_only=not config.download
    )
    return _Engine(pipeline, align_model, metadata, device)


def _no_vad(_audio: object) -> list[object]:
    """Stands where WhisperX wants a detector; it is never asked, because windows are cut before."""
    return []


def _parse_sentence(entry: dict[str, Any]) -> _Sentence:
    """One entry of `whisperx.align`'s segments: a word without a score has only its neighbours' times."""
    words, spans, scores = [], [], []
    for word in entry["words"]:
        start_s, end_s = float(word.get("start", "nan")), float(word.get("end", "nan"))
        scored = "score" in word and isfinite(start_s) and isfinite(end_s) and end_s > start_s
        words.append(str(word["word"]))
        spans.append((start_s, end_s) if scored else None)
        scores.append(min(1.0, max(0.0, float(word["score"]))) if scored else None)
    return _Sentence(tuple(words), tuple(spans), tuple(scores))


def _by_window(sentences: Sequence[tuple[Stretch, _Sentence]]) -> list[tuple[Stretch, list[_Sentence]]]:
    runs: list[tuple[Stretch, list[_Sentence]]] = []
    for window, sentence in sentences:
        if not runs or runs[-1][0] is not window:
            runs.append((window, []))
        runs[-1][1].append(sentence)
    return runs


def _timed_words(window: Stretch, sentences: Sequence[_Sentence], timing: Timing) -> list[TimedWord]:
    """Words of a window with times in the recording; those without are interpolated between their neighbours."""
    words = [word for sentence in sentences for word in sentence.words]
    scores = [score for sentence in sentences for score in sentence.scores]
    known = [span for sentence in sentences for span in sentence.spans]
    length_s = window.end_s - window.start_s
    spans = interpolate_spans(words, known, 0.0, length_s)
    return [
        TimedWord(
            word,
            window.start_s + min(start_s, length_s),
            window.start_s + min(end_s, length_s),
            timing if span else "interpolated",
            score,
        )
        for word, (start_s, end_s), span, score in zip(words, spans, known, scores, strict=True)
    ]
