"""Worker processes of PocketSphinx, and forced alignment of a transcript with them."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.pocketsphinx import worker
from alignment.aligners.weights.config import DETECT
from alignment.audio import Waveform
from alignment.errors import AlignerFailedError, UnsupportedLanguageError
from alignment.timing import SAMPLE_RATE_HZ, Seconds, frames_to_seconds
from alignment.transcripts.interpolation import Span, anchor_words, interpolate_spans
from alignment.transcripts.normalisation import spoken_forms
from alignment.transcripts.utterances import SpeechSegment
from alignment.transcripts.words import TimedWord
from alignment.worker_pool import WorkerPool


class PocketSphinxProcesses:
    """Recognition and forced alignment of US English in worker processes; thread-safe."""

    def __init__(self, aligner: str, count: int, limit_s: Seconds) -> None:
        """Store the parameters; processes start on first use.

        Args:
            aligner: Name of the aligner that uses them, for errors.
            count: Number of processes, which share the stretches of a recording.
            limit_s: Longest duration of a call, after which the processes are stopped.
        """
        self._aligner, self._count = aligner, count
        self._pool = WorkerPool(count, worker.start_worker, limit_s, partial(AlignerFailedError, aligner))

    def check_language(self, language: str | None) -> None:
        """Raise unless a language is English, or is left to the aligner.

        Raises:
            UnsupportedLanguageError: It is another one.
        """
        if language not in (None, DETECT) and language.split("-")[0].lower() != "en":
            raise UnsupportedLanguageError(self._aligner, language, "English (en)")

    def warm_up(self, *, recognises: bool) -> None:
        """Start the processes and load their decoders.

        Args:
            recognises: Whether recognition is used, whose language model takes most of the memory.
        """
        silence = bytes(2 * SAMPLE_RATE_HZ)
        if recognises:
            self._pool.map(worker.recognise, [(silence,)] * self._count)
        self._pool.map(worker.align, [(silence, [("yes",)])] * self._count)

    def recognise(self, sounds: Sequence[NDArray[np.float32]], starts_s: Sequence[Seconds]) -> list[list[TimedWord]]:
        """Recognise stretches of speech.

        Args:
            sounds: (samples,) float32 at 16 kHz each.
            starts_s: Start of each in the recording.

        Raises:
            AlignerFailedError: The processes failed.
        """
        results = self._pool.map(worker.recognise, [(_pcm(sound),) for sound in sounds])
        return [
            [_recognised(word, start_s) for word in words] for words, start_s in zip(results, starts_s, strict=True)
        ]

    def align(
        self, sounds: Sequence[NDArray[np.float32]], words: Sequence[Sequence[tuple[str, ...]]]
    ) -> list[list[worker.AlignedWord | None] | None]:
        """Align the spoken words of stretches of speech; see `worker.PocketSphinxDecoder.align`.

        Args:
            sounds: (samples,) float32 at 16 kHz each.
            words: The spoken words of each word of each stretch.

        Raises:
            AlignerFailedError: The processes failed.
        """
        return self._pool.map(worker.align, [(_pcm(sound), each) for sound, each in zip(sounds, words, strict=True)])

    def align_transcript(
        self,
        waveform: Waveform,
        segments: Sequence[SpeechSegment],
        words: Sequence[str],
        recognise: Callable[[], Sequence[TimedWord]],
    ) -> tuple[TimedWord, ...]:
        """Find the times of the words of a transcript.

        Args:
            waveform: Decoded audio.
            segments: Its speech, at least one segment.
            words: Written words.
            recognise: Recognises words, whose times are used where the audio does not match the transcript.

        Returns:
            All words; those that cannot be aligned are interpolated and marked.
        """
        start_s, end_s = segments[0].start_s, segments[-1].end_s
        [aligned] = self.align([waveform.cut(start_s, end_s)], [spoken_forms(words)])
        if aligned is None:
            return anchor_words(words, recognise(), [(segment.start_s, segment.end_s) for segment in segments])
        return timed_words(words, aligned, start_s, end_s)

    def close(self) -> None:
        """End the processes and abandon running calls."""
        self._pool.close()


def _pcm(samples: NDArray[np.float32]) -> bytes:
    """16-bit little-endian PCM."""
    return (np.clip(samples, -1.0, 1.0) * 32_767).astype("<i2").tobytes()


def _recognised(word: worker.RecognisedWord, origin_s: Seconds) -> TimedWord:
    start_s = origin_s + frames_to_seconds(word.start_frame)
    end_s = origin_s + frames_to_seconds(word.end_frame)
    return TimedWord(word.word, start_s, end_s, "recognised", min(1.0, max(0.0, word.probability)))


def timed_words(
    words: Sequence[str], aligned: Sequence[worker.AlignedWord | None], start_s: Seconds, end_s: Seconds
) -> tuple[TimedWord, ...]:
    """Timed words; those without a pronunciation are interpolated between their neighbours.

    Args:
        words: Written words.
        aligned: Times of each word from `start_s`, or None.
        start_s: Start of the aligned audio.
        end_s: End of the aligned audio.
    """
    known: list[Span | None] = [
        (start_s + each.start_s, min(end_s, start_s + each.end_s)) if each else None for each in aligned
    ]
    spans = interpolate_spans(words, known, start_s, end_s)
    return tuple(
        TimedWord(word, *span, "aligned", each.score, each.guessed) if each else TimedWord(word, *span, "interpolated")
        for word, span, each in zip(words, spans, aligned, strict=True)
    )
