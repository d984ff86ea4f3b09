"""The embedded aligner: PocketSphinx in worker processes, with Silero's voice activity detection before it.

Its acoustic model, dictionary and language model (US English) are inside its wheel, so it works on a fresh machine.
It is of the CMU Sphinx family that made IEMOCAP's own alignments.
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
# Recognition gains by context: stretches are decoded together across pauses, up to this length.
_MAX_WINDOW_S: Final = 20.0
_MAX_PAUSE_S: Final = 2.0
_CONTEXT_S: Final = 0.1


class PocketSphinxAligner:
    """Recognition and forced alignment of US English."""

    def __init__(self, worker_count: int = 1, reason: str = "", limit_s: Seconds = 600.0) -> None:
        """Starts nothing yet.

        Args:
            worker_count: processes, each of about 130 MB; windows of one recording are spread over them.
            reason: why this aligner was taken, for `info`.
            limit_s: a call takes no longer, or its workers are stopped.
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
        """Starts the workers and has each model answer once."""
        silence = bytes(2 * SAMPLE_RATE_HZ)
        self._detector.detect(np.zeros(SAMPLE_RATE_HZ, np.float32))
        self._pool.map(worker.recognise, [(silence,)] * self._worker_count)

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """See `Aligner.recognise`; a stretch of speech without a recognised word becomes one unknown word."""
        self._check_language(language)
        stretches = self._speech(waveform)
        words = self._recognised_words(waveform, stretches)
        utterances = assign_words(words, stretches, waveform.duration_s)
        unknown = sum(not utterance.text for utterance in utterances)
        warning = (
            f"no word was recognised in {unknown} of {len(utterances)} utterances; the sound alone was judged there"
        )
        return Transcript(utterances, self.info, (warning,) if unknown else ())

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """See `Aligner.align`; words that cannot be aligned are interpolated and marked."""
        self._check_language(language)
        words = check_transcript(text, waveform.duration_s)
        stretches = self._speech(waveform)
        start_s, end_s = stretches[0].start_s, stretches[-1].end_s
        pcm = _pcm(waveform.cut(start_s, end_s))
        [found] = self._pool.map(worker.align, [(pcm, [spoken_words(word) for word in words])])
        if found is None:
            timed = anchor_words(
                words, self._recognised_words(waveform, stretches), [(s.start_s, s.end_s) for s in stretches]
            )
        else:
            timed = _timed_words(words, found, start_s, end_s)
        return Transcript(group_words(timed, waveform.duration_s), self.info, _alignment_warnings(timed))

    def _recognised_words(self, waveform: Waveform, stretches: Sequence[SpeechSegment]) -> list[TimedWord]:
        windows = join_segments(stretches, _MAX_WINDOW_S, _MAX_PAUSE_S)
        sounds = [_pcm(waveform.cut(w.start_s - _CONTEXT_S, w.end_s + _CONTEXT_S)) for w in windows]
        results = self._pool.map(worker.recognise, [(sound,) for sound in sounds])
        return [
            timed
            for window, found in zip(windows, results, strict=True)
            for timed in (_recognised(word, max(0.0, window.start_s - _CONTEXT_S)) for word in found)
            # What neighbouring windows both hear at their border counts once.
            if window.start_s <= (timed.start_s + timed.end_s) / 2 < window.end_s
        ]

    def close(self) -> None:
        """Ends the worker processes; work under way is abandoned."""
        self._pool.close()

    def _check_language(self, language: str | None) -> None:
        if language is not None and language.split("-")[0].lower() != "en":
            raise UnsupportedLanguageError(NAME, language, "English (en)")

    def _speech(self, waveform: Waveform) -> tuple[SpeechSegment, ...]:
        stretches = check_segments(waveform.speech, waveform.duration_s) or self._detector.detect(waveform.samples)
        if not stretches:
            raise NoSpeechError(waveform.duration_s)
        return stretches


def _pcm(samples: NDArray[np.float32]) -> bytes:
    """16-bit little-endian PCM."""
    return (np.clip(samples, -1.0, 1.0) * 32_767).astype("<i2").tobytes()


def _recognised(word: worker.RecognisedWord, origin_s: Seconds) -> TimedWord:
    start_s = origin_s + frames_to_seconds(word.start_frame)
    end_s = origin_s + frames_to_seconds(word.end_frame)
    return TimedWord(word.word, start_s, end_s, "recognised", min(1.0, max(0.0, word.probability)))


def _timed_words(
    words: Sequence[str], found: Sequence[worker.AlignedWord | None], start_s: Seconds, end_s: Seconds
) -> tuple[TimedWord, ...]:
    """Every word with a time; those that nobody could pronounce between their neighbours."""
    known: list[Span | None] = [
        (start_s + frames_to_seconds(w.start_frame), min(end_s, start_s + frames_to_seconds(w.end_frame)))
        if w
        else None
        for w in found
    ]
    spans = interpolate_spans(words, known, start_s, end_s)
    return tuple(
        TimedWord(word, *span, "aligned" if w else "interpolated", None, bool(w and w.guessed))
        for word, span, w in zip(words, spans, found, strict=True)
    )


def _alignment_warnings(words: Sequence[TimedWord]) -> tuple[str, ...]:
    interpolated = sum(word.timing == "interpolated" for word in words)
    guessed = [word.word for word in words if word.guessed_pronunciation]
    warnings = []
    if interpolated == len(words):
        warnings.append("the sound does not follow the transcript; all word times were interpolated")
    elif any(word.timing == "recognised" for word in words):
        warnings.append(
            f"the sound does not follow the transcript word by word; {len(words) - interpolated} of {len(words)} words "
            "have the times at which they were recognised, the others were interpolated"
        )
    elif interpolated:
        warnings.append(f"{interpolated} of {len(words)} words had no time of their own and were interpolated")
    if guessed:
        warnings.append(f"pronunciation guessed by letter-to-sound rules: {', '.join(guessed[:10])}")
    return tuple(warnings)
