"""WhisperX aligner: Whisper recognises the words, wav2vec 2.0 aligns them.

Speech is cut into windows of at most 30 s, and windows of all requests go through Whisper in common batches. Each
window's words are aligned within its own audio, so that no time is outside it. Where a window is too short for its
words, they are aligned once more in all the audio up to the neighbouring windows, and failing that spread over the
window, marked and counted.

Source: Bain et al. 2023, "WhisperX: Time-Accurate Speech Transcription of Long-Form Audio", Interspeech.
"""

from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from time import monotonic
from typing import Final

import numpy as np

from alignment.aligners.weights.config import DETECT, NAME, WhisperXConfig
from alignment.aligners.weights.locate import require_weights
from alignment.aligners.whisperx.models import WhisperXModels, find_language
from alignment.aligners.whisperx.recogniser import DecodingOptions, RecognitionInput
from alignment.aligners.whisperx.word_aligner import AlignmentInput, WordAligner, WordAlignment
from alignment.audio import Waveform
from alignment.batcher import Batcher
from alignment.errors import AlignerFailedError, NoSpeechError, UnsupportedLanguageError
from alignment.idle import IdleModels
from alignment.timing import Seconds
from alignment.transcripts.doubt import WHISPERX_BELOW, mark_doubtful
from alignment.transcripts.interpolation import anchor_words, share_time
from alignment.transcripts.normalisation import spoken_words
from alignment.transcripts.utterances import SpeechSegment, check_segments, group_words, join_segments
from alignment.transcripts.warnings import recognition_warnings
from alignment.transcripts.words import AlignerInfo, TimedWord, Timing, Transcript, check_transcript

_LONGEST_SOUND_S: Final = 30.0
_DETECTION_WINDOWS: Final = 3
# The recognition thread holds the model; it ends at once, unless the aligner is closed during a batch.
_THREAD_END_S: Final[Seconds] = 1.0

Recognition = Batcher[RecognitionInput, str]


@dataclass(frozen=True, slots=True)
class RecognisedWindow:
    """Window and its recognised words."""

    window: SpeechSegment
    words: tuple[str, ...]


class WhisperXAligner:
    """Recognition and forced alignment with models that are loaded on first use, and unloaded when idle."""

    def __init__(self, config: WhisperXConfig, reason: str = "", limit_s: Seconds = 600.0) -> None:
        """Check that everything is there; nothing is loaded yet.

        Args:
            config: Models and how they run.
            reason: Why this aligner was selected, for `info`.
            limit_s: Longest duration of the recognition of one recording.

        Raises:
            AlignerUnavailableError: The package or weights are missing.
        """
        require_weights(config)
        self.info = AlignerInfo(NAME, config.model, config.language, reason)
        self._config, self._limit_s = config, limit_s
        self._models = IdleModels(NAME, self._load, _release, config.unload_after_s)
        self._of_whisper: frozenset[str] = frozenset()

    @property
    def calls_at_once(self) -> int:
        """See `Aligner.calls_at_once`: one batch is recognised while the next one queues."""
        return 2 * self._config.batch_size

    @property
    def loaded(self) -> bool:
        """See `Aligner.loaded`."""
        return self._models.loaded

    def warm_up(self) -> None:
        """Load the models of the usual language and run each once."""
        language = self._config.usual_language
        silence = np.zeros(16_000, np.float32)
        with self._models.use() as (models, recognition):
            models.detector.detect(silence)
            models.word_aligner(language).align_words([AlignmentInput([silence], ["a"])])
            transcribe([RecognitionInput(silence, self._options(language))], recognition, 1, self._limit_s)

    def check_language(self, language: str | None) -> None:
        """See `Aligner.check_language`; the languages of Whisper are known once it has been loaded."""
        code = self._code(language)
        if code != DETECT:
            find_language(self._config, code, self._of_whisper)

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """See `Aligner.recognise`; `language="auto"` detects it."""
        with self._models.use() as (models, recognition):
            return self._recognise(models, recognition, waveform, language)

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """See `Aligner.align`; where the audio is too short for the text, recognised words anchor the others."""
        words = check_transcript(text, waveform.duration_s)
        with self._models.use() as (models, recognition):
            return self._align(models, recognition, waveform, words, language)

    def close(self) -> None:
        """End the recognition thread and release the models."""
        self._models.close()

    def _recognise(
        self, models: WhisperXModels, recognition: Recognition, waveform: Waveform, language: str | None
    ) -> Transcript:
        windows = self._windows(models, waveform)
        language = self._language(models, waveform, windows, language)
        aligner, options = models.word_aligner(language), self._options(language)
        inputs = [RecognitionInput(waveform.cut(window.start_s, window.end_s), options) for window in windows]
        texts = transcribe(inputs, recognition, self._config.batch_size, self._limit_s)
        recognised = [
            RecognisedWindow(window, tuple(word for word in aligner.split(text) if spoken_words(word)))
            for window, text in zip(windows, texts, strict=True)
        ]
        timed, breaks = align_windows(recognised, waveform, aligner)
        words = mark_doubtful(timed, WHISPERX_BELOW, WHISPERX_BELOW)
        utterances = group_words(words, waveform.duration_s, frozenset(breaks))
        return Transcript(utterances, replace(self.info, language=language), recognition_warnings(words))

    def _align(
        self,
        models: WhisperXModels,
        recognition: Recognition,
        waveform: Waveform,
        words: Sequence[str],
        language: str | None,
    ) -> Transcript:
        windows = self._windows(models, waveform)
        language = self._language(models, waveform, windows, language)
        aligner = models.word_aligner(language)
        timed = _align_over(waveform, _cover(windows, windows[0].start_s, windows[-1].end_s), words, aligner)
        if timed is None:
            timed = _align_over(waveform, _cover(windows, 0.0, waveform.duration_s), words, aligner)
        if timed is None:
            transcript = self._recognise(models, recognition, waveform, language)
            recognised = [w for u in transcript.utterances for w in u.words if w.word]
            timed = list(anchor_words(words, recognised, [(w.start_s, w.end_s) for w in windows]))
        marked = mark_doubtful(timed, WHISPERX_BELOW, WHISPERX_BELOW)
        utterances = group_words(marked, waveform.duration_s, frozenset(aligner.sentence_starts(words)))
        return Transcript(utterances, replace(self.info, language=language), recognition_warnings(marked))

    def _load(self) -> tuple[WhisperXModels, Recognition]:
        models = WhisperXModels(self._config)
        self._of_whisper = models.languages
        process = models.recogniser.transcribe_many
        return models, Batcher(NAME, process, max_items=self._config.batch_size, linger_s=0.0)

    def _windows(self, models: WhisperXModels, waveform: Waveform) -> list[SpeechSegment]:
        segments = check_segments(waveform.speech, waveform.duration_s) or models.detector.detect(waveform.samples)
        if not segments:
            raise NoSpeechError(waveform.duration_s)
        longest_s = self._config.window_s
        windows = join_segments(segments, longest_s, max_pause_s=longest_s)
        return [part for window in windows for part in _divide(window, longest_s)]

    def _language(
        self, models: WhisperXModels, waveform: Waveform, windows: Sequence[SpeechSegment], requested: str | None
    ) -> str:
        """Requested language, else the configured one; detected where that is "auto"."""
        language = self._code(requested)
        if language != DETECT:
            return language
        sounds = [waveform.cut(window.start_s, window.end_s) for window in windows[:_DETECTION_WINDOWS]]
        probabilities = models.recogniser.detect_languages(sounds)
        detected = max(probabilities, key=lambda each: probabilities[each])
        try:
            models.word_aligner(detected)
        except UnsupportedLanguageError as exc:
            described = f"{detected}, detected with a probability of {probabilities[detected]:.2f},"
            raise UnsupportedLanguageError(NAME, described, exc.supported) from exc
        return detected

    def _code(self, requested: str | None) -> str:
        """Code of the requested language, else of the configured one; "auto" for detection."""
        return (requested or self._config.language).split("-")[0].lower()

    def _options(self, language: str) -> DecodingOptions:
        return DecodingOptions(language, self._config.numerals)


def _release(loaded: tuple[WhisperXModels, Recognition]) -> None:
    _, recognition = loaded
    recognition.close(_THREAD_END_S)


def transcribe(
    inputs: Sequence[RecognitionInput], recognition: Recognition, batch_size: int, limit_s: Seconds
) -> list[str]:
    """Texts of one recording's windows, in order.

    At most one batch is queued at a time, so that windows of other recordings are processed in between.

    Args:
        inputs: Windows of the recording.
        recognition: Queue that all recordings share.
        batch_size: Largest number of queued windows.
        limit_s: Longest duration; windows that are still queued then are cancelled.

    Raises:
        AlignerFailedError: Recognition failed, took too long, or the aligner was closed.
    """
    deadline = monotonic() + limit_s
    texts: list[str] = []
    for first in range(0, len(inputs), batch_size):
        futures = [recognition.submit(each) for each in inputs[first : first + batch_size]]
        try:
            texts += [future.result(max(0.0, deadline - monotonic())) for future in futures]
        except TimeoutError as exc:
            raise AlignerFailedError(NAME, f"it took longer than {limit_s:g} s") from exc
        except CancelledError as exc:
            raise AlignerFailedError(NAME, "it is being closed") from exc
        finally:
            for future in futures:
                future.cancel()
    return texts


def align_windows(
    windows: Sequence[RecognisedWindow], waveform: Waveform, aligner: WordAligner
) -> tuple[list[TimedWord], list[int]]:
    """Timed words of all windows, and the indices of those that begin a sentence or a window."""
    spoken = [each for each in windows if each.words]
    inputs = [AlignmentInput([waveform.cut(each.window.start_s, each.window.end_s)], each.words) for each in spoken]
    alignments = dict(zip((each.window for each in spoken), aligner.align_words(inputs), strict=True))
    timed: list[TimedWord] = []
    breaks: list[int] = []
    for index, each in enumerate(windows):
        if not each.words:
            breaks.append(len(timed))
            timed.append(TimedWord("", each.window.start_s, each.window.end_s, "interpolated"))
            continue
        breaks += [len(timed) + start for start in aligner.sentence_starts(each.words)] or [len(timed)]
        alignment = alignments[each.window]
        if alignment is None:
            low_s = windows[index - 1].window.end_s if index else 0.0
            high_s = windows[index + 1].window.start_s if index + 1 < len(windows) else waveform.duration_s
            timed += _realign(each, SpeechSegment(low_s, high_s), waveform, aligner)
        else:
            timed += _timed_words(each.words, alignment, each.window.start_s, "recognised")
    return timed, breaks


def _realign(
    recognised: RecognisedWindow, surroundings: SpeechSegment, waveform: Waveform, aligner: WordAligner
) -> list[TimedWord]:
    """Words of a window that is too short for them: aligned up to its neighbours, or else spread over the window."""
    words = recognised.words
    timed = _align_over(waveform, _divide(surroundings, _LONGEST_SOUND_S), words, aligner, "recognised")
    if timed is not None:
        return timed
    spans = share_time(words, recognised.window.start_s, recognised.window.end_s)
    return [TimedWord(word, *span, "interpolated") for word, span in zip(words, spans, strict=True)]


def _align_over(
    waveform: Waveform,
    parts: Sequence[SpeechSegment],
    words: Sequence[str],
    aligner: WordAligner,
    timing: Timing = "aligned",
) -> list[TimedWord] | None:
    """Words over consecutive parts of a recording, each encoded on its own; None where the parts are too short."""
    sounds = [waveform.cut(part.start_s, part.end_s) for part in parts]
    [alignment] = aligner.align_words([AlignmentInput(sounds, words)])
    return None if alignment is None else _timed_words(words, alignment, parts[0].start_s, timing)


def _cover(windows: Sequence[SpeechSegment], start_s: Seconds, end_s: Seconds) -> list[SpeechSegment]:
    """Everything between two times, cut in the middle of the pauses between windows, in parts of at most 30 s."""
    borders = [start_s, *((before.end_s + after.start_s) / 2 for before, after in pairwise(windows)), end_s]
    return [part for edges in pairwise(borders) for part in _divide(SpeechSegment(*edges), _LONGEST_SOUND_S)]


def _divide(whole: SpeechSegment, longest_s: Seconds) -> list[SpeechSegment]:
    """Equal parts of at most `longest_s`."""
    count = max(1, ceil((whole.end_s - whole.start_s) / longest_s))
    edges = np.linspace(whole.start_s, whole.end_s, count + 1)
    return [SpeechSegment(float(start_s), float(end_s)) for start_s, end_s in pairwise(edges)]


def _timed_words(
    words: Sequence[str], alignment: Sequence[WordAlignment], origin_s: Seconds, timing: Timing
) -> list[TimedWord]:
    return [
        TimedWord(word, origin_s + each.span[0], origin_s + each.span[1], timing, each.score)
        for word, each in zip(words, alignment, strict=True)
    ]
