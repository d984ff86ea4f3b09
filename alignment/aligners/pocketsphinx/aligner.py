"""Aligner without other models: PocketSphinx in worker processes, after Silero's voice activity detection.

Its acoustic model, dictionary and language model (US English) ship inside its wheel, so it needs no download.
It belongs to the CMU Sphinx family, which made IEMOCAP's alignments.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from alignment.aligners.pocketsphinx.processes import PocketSphinxProcesses
from alignment.audio import Waveform
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.timing import SAMPLE_RATE_HZ, Seconds
from alignment.transcripts.doubt import ALIGNED_BELOW, POCKETSPHINX_BELOW, mark_doubtful
from alignment.transcripts.utterances import SpeechSegment, assign_words, group_words, join_segments
from alignment.transcripts.warnings import alignment_warnings, recognition_warnings
from alignment.transcripts.words import AlignerInfo, TimedWord, Transcript, check_transcript

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
        self._processes = PocketSphinxProcesses(NAME, worker_count, limit_s)

    @property
    def calls_at_once(self) -> int:
        """See `Aligner.calls_at_once`: one per worker."""
        return self._worker_count

    @property
    def loaded(self) -> bool:
        """See `Aligner.loaded`; the worker processes keep their models."""
        return True

    def warm_up(self) -> None:
        """Start the workers and run each model once."""
        self._detector.detect(np.zeros(SAMPLE_RATE_HZ, np.float32))
        self._processes.warm_up(recognises=True)

    def check_language(self, language: str | None) -> None:
        """See `Aligner.check_language`."""
        self._processes.check_language(language)

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """See `Aligner.recognise`; a speech segment without a recognised word becomes one unknown word."""
        self.check_language(language)
        segments = self._detector.find_speech(waveform)
        words = mark_doubtful(self._recognise_words(waveform, segments), POCKETSPHINX_BELOW, ALIGNED_BELOW)
        utterances = assign_words(words, segments, waveform.duration_s)
        warnings = recognition_warnings([word for utterance in utterances for word in utterance.words])
        return Transcript(utterances, self.info, warnings)

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """See `Aligner.align`; words that cannot be aligned are interpolated and marked."""
        self.check_language(language)
        words = check_transcript(text, waveform.duration_s)
        segments = self._detector.find_speech(waveform)
        timed = self._processes.align_transcript(
            waveform, segments, words, lambda: self._recognise_words(waveform, segments)
        )
        marked = mark_doubtful(timed, POCKETSPHINX_BELOW, ALIGNED_BELOW)
        return Transcript(group_words(marked, waveform.duration_s), self.info, alignment_warnings(marked))

    def _recognise_words(self, waveform: Waveform, segments: Sequence[SpeechSegment]) -> list[TimedWord]:
        windows = join_segments(segments, _MAX_WINDOW_S, _MAX_PAUSE_S)
        starts_s = [max(0.0, window.start_s - _CONTEXT_S) for window in windows]
        sounds = [
            waveform.cut(start_s, window.end_s + _CONTEXT_S) for start_s, window in zip(starts_s, windows, strict=True)
        ]
        return [
            word
            for window, words in zip(windows, self._processes.recognise(sounds, starts_s), strict=True)
            for word in words
            # Words that both neighbouring windows give at their border count once.
            if window.start_s <= (word.start_s + word.end_s) / 2 < window.end_s
        ]

    def close(self) -> None:
        """End the worker processes and abandon running calls."""
        self._processes.close()
