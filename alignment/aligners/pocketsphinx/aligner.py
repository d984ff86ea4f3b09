"""Embedded aligner: PocketSphinx in worker processes, after Silero's voice activity detection.

Its acoustic model, dictionary and language model (US English) ship inside its wheel, so it needs no download.
It belongs to the CMU Sphinx family, which made IEMOCAP's alignments.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.pocketsphinx import worker
from alignment.audio import Waveform
from alignment.errors import AlignerFailedError, NoSpeechError, UnsupportedLanguageError
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.timing import SAMPLE_RATE_HZ, Seconds, frames_to_seconds
from alignment.transcripts.interpolation import Span, anchor_words, interpolate_spans
from alignment.transcripts.normalisation import spoken_words
from alignment.transcripts.utterances import SpeechSegment, assign_words, check_segments, group_words, join_segments
from alignment.transcripts.words import AlignerInfo, TimedWord, Transcript, check_transcript
from alignment.worker_pool import WorkerPool

NAME: Final = "pocketsphinx"
# Context improves recognition: speech segments are decoded together across pauses, up to this length.
_MAX_WINDOW_S: Final = 20.0
_MAX_PAUSE_S: Final = 2.0
_CONTEXT_S: Final = 0.1


class PocketSphinxAligner:
    """Recognition and forced alignment of US English."""

    def __init__(self, worker_count: int = 1, reason: str = "", limit_s: Seconds = 600.0) -> None:
        """Store the parameters; worker processes start on first use.

        Args:
            worker_count: Number of processes of about 130 MB each, which share the windows of a recording.
            reason: Why this aligner was selected, for `info`.
            limit_s: Longest duration of a call, after which its workers are stopped.
        """
        self.info = AlignerInfo(NAME, "en-us", "en", reason)
        self._worker_count = worker_count
        self._detector = VoiceActivityDetector()
        self._pool = WorkerPool(worker_count, worker.start_worker, limit_s, partial(AlignerFailedError, NAME))

    @property
    def calls_at_once(self) -> int:
        """See `Aligner.calls_at_once`: one per worker."""
        return self._worker_count

    def warm_up(self) -> None:
        """Start the workers and run each model once."""
        silence = bytes(2 * SAMPLE_RATE_HZ)
        self._detector.detect(np.zeros(SAMPLE_RATE_HZ, np.float32))
        self._pool.map(worker.recognise, [(silence,)] * self._worker_count)

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """See `Aligner.recognise`; a speech segment without a recognised word becomes one unknown word."""
        self._check_language(language)
        segments = self._speech_segments(waveform)
        words = self._recognise_words(waveform, segments)
        utterances = assign_words(words, segments, waveform.duration_s)
        unknown = sum(not utterance.text for utterance in utterances)
        warning = (
            f"no word was recognised in {unknown} of {len(utterances)} utterances; their emotion comes from the audio "
            "alone"
        )
        return Transcript(utterances, self.info, (warning,) if unknown else ())

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """See `Aligner.align`; words that cannot be aligned are interpolated and marked."""
        self._check_language(language)
        words = check_transcript(text, waveform.duration_s)
        segments = self._speech_segments(waveform)
        start_s, end_s = segments[0].start_s, segments[-1].end_s
        pcm = _pcm(waveform.cut(start_s, end_s))
        [aligned] = self._pool.map(worker.align, [(pcm, [spoken_words(word) for word in words])])
        if aligned is None:
            recognised = self._recognise_words(waveform, segments)
            timed = anchor_words(words, recognised, [(segment.start_s, segment.end_s) for segment in segments])
        else:
            timed = _timed_words(words, aligned, start_s, end_s)
        return Transcript(group_words(timed, waveform.duration_s), self.info, _alignment_warnings(timed))

    def _recognise_words(self, waveform: Waveform, segments: Sequence[SpeechSegment]) -> list[TimedWord]:
        windows = join_segments(segments, _MAX_WINDOW_S, _MAX_PAUSE_S)
        sounds = [_pcm(waveform.cut(w.start_s - _CONTEXT_S, w.end_s + _CONTEXT_S)) for w in windows]
        results = self._pool.map(worker.recognise, [(sound,) for sound in sounds])
        return [
            timed
            for window, words in zip(windows, results, strict=True)
            for timed in (_recognised(word, max(0.0, window.start_s - _CONTEXT_S)) for word in words)
            # Words that both neighbouring windows give at their border count once.
            if window.start_s <= (timed.start_s + timed.end_s) / 2 < window.end_s
        ]

    def close(self) -> None:
        """End the worker processes and abandon running calls."""
        self._pool.close()

    def _check_language(self, language: str | None) -> None:
        if language is not None and language.split("-")[0].lower() != "en":
            raise UnsupportedLanguageError(NAME, language, "English (en)")

    def _speech_segments(self, waveform: Waveform) -> tuple[SpeechSegment, ...]:
        segments = check_segments(waveform.speech, waveform.duration_s) or self._detector.detect(waveform.samples)
        if not segments:
            raise NoSpeechError(waveform.duration_s)
        return segments


def _pcm(samples: NDArray[np.float32]) -> bytes:
    """16-bit little-endian PCM."""
    return (np.clip(samples, -1.0, 1.0) * 32_767).astype("<i2").tobytes()


def _recognised(word: worker.RecognisedWord, origin_s: Seconds) -> TimedWord:
    start_s = origin_s + frames_to_seconds(word.start_frame)
    end_s = origin_s + frames_to_seconds(word.end_frame)
    return TimedWord(word.word, start_s, end_s, "recognised", min(1.0, max(0.0, word.probability)))


def _timed_words(
    words: Sequence[str], aligned: Sequence[worker.AlignedWord | None], start_s: Seconds, end_s: Seconds
) -> tuple[TimedWord, ...]:
    """Timed words; those without a pronunciation are interpolated between their neighbours."""
    known: list[Span | None] = [
        (start_s + frames_to_seconds(w.start_frame), min(end_s, start_s + frames_to_seconds(w.end_frame)))
        if w
        else None
        for w in aligned
    ]
    spans = interpolate_spans(words, known, start_s, end_s)
    return tuple(
        TimedWord(word, *span, "aligned" if w else "interpolated", None, bool(w and w.guessed))
        for word, span, w in zip(words, spans, aligned, strict=True)
    )


def _alignment_warnings(words: Sequence[TimedWord]) -> tuple[str, ...]:
    interpolated = sum(word.timing == "interpolated" for word in words)
    guessed = [word.word for word in words if word.guessed_pronunciation]
    warnings = []
    if interpolated == len(words):
        warnings.append("the audio does not match the transcript; all word times were interpolated")
    elif any(word.timing == "recognised" for word in words):
        warnings.append(
            f"the audio does not match the transcript word by word; {len(words) - interpolated} of {len(words)} words "
            "have recognised times, the others were interpolated"
        )
    elif interpolated:
        warnings.append(f"{interpolated} of {len(words)} words could not be aligned; their times were interpolated")
    if guessed:
        warnings.append(f"pronunciation guessed by letter-to-sound rules: {', '.join(guessed[:10])}")
    return tuple(warnings)
