"""WhisperX: Whisper recognises, wav2vec 2.0 gives every word its times.

Speech is cut into windows of at most 30 s; windows of all requests go through Whisper together; each window's words are
then found in that window's own sound, so that no time can lie outside it. Where a window has too little sound for its
words they are searched once more in all the sound around it, and only then spread over it, marked and counted.

Source: Bain et al. 2023, "WhisperX: Time-Accurate Speech Transcription of Long-Form Audio", Interspeech.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from threading import Lock
from typing import Final

import numpy as np

from alignment.aligners.weights.config import DETECT, NAME, WhisperXConfig
from alignment.aligners.weights.locate import require_weights
from alignment.aligners.whisperx.models import WhisperXModels
from alignment.aligners.whisperx.recogniser import DecodingOptions, Window
from alignment.aligners.whisperx.window_queue import WindowQueue
from alignment.aligners.whisperx.word_aligner import AlignmentInput, FoundWord, WordAligner
from alignment.audio import Waveform
from alignment.errors import NoSpeechError, UnsupportedLanguageError
from alignment.timing import Seconds
from alignment.transcripts.interpolation import anchor_words, share_time
from alignment.transcripts.normalisation import spoken_words
from alignment.transcripts.utterances import SpeechSegment, check_segments, group_words, join_segments
from alignment.transcripts.words import AlignerInfo, TimedWord, Timing, Transcript, check_transcript

_LONGEST_SOUND_S: Final = 30.0
_HEARD_FOR_LANGUAGE: Final = 3
# On the test sentences every right word scores over .4; of words that nobody said, more than half stay under .3.
_LOW_SCORE: Final = 0.3


@dataclass(frozen=True, slots=True)
class _Heard:
    """A window and what was recognised in it."""

    window: SpeechSegment
    words: tuple[str, ...]


class WhisperXAligner:
    """Recognition and forced alignment; loads on first use."""

    def __init__(self, config: WhisperXConfig, reason: str = "", limit_s: Seconds = 600.0) -> None:
        """Loads nothing yet, but checks that everything is there.

        Args:
            config: models, and how they run.
            reason: why this aligner was taken, for `info`.
            limit_s: the recognition of one recording takes no longer.

        Raises:
            AlignerUnavailableError: the package or weights are missing.
        """
        require_weights(config)
        self.info = AlignerInfo(NAME, config.model, config.language, reason)
        self._config, self._limit_s = config, limit_s
        self._loaded: tuple[WhisperXModels, WindowQueue] | None = None
        self._lock = Lock()

    @property
    def calls_at_once(self) -> int:
        """See `Aligner.calls_at_once`: windows of that many are heard together while as many gather."""
        return 2 * self._config.batch_size

    def warm_up(self) -> None:
        """Loads the models of the usual language and has each answer once."""
        models, queue = self._load()
        language = self._config.usual_language
        silence = np.zeros(16_000, np.float32)
        models.detector.detect(silence)
        models.word_aligner(language).find_words([AlignmentInput([silence], ["a"])])
        queue.transcribe([Window(silence, self._manner(language))])

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """See `Aligner.recognise`; `language="auto"` detects it."""
        models, queue = self._load()
        windows = self._windows(models, waveform)
        language = self._language(models, waveform, windows, language)
        aligner = models.word_aligner(language)
        manner = self._manner(language)
        texts = queue.transcribe([Window(waveform.cut(w.start_s, w.end_s), manner) for w in windows])
        heard = [
            _Heard(window, tuple(word for word in aligner.split(text) if spoken_words(word)))
            for window, text in zip(windows, texts, strict=True)
        ]
        words, breaks = _time_windows(heard, waveform, aligner)
        utterances = group_words(words, waveform.duration_s, frozenset(breaks))
        return Transcript(utterances, replace(self.info, language=language), _warnings(words))

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """See `Aligner.align`; where the sound has no room for the text, words that are recognised anchor the rest."""
        words = check_transcript(text, waveform.duration_s)
        models, _ = self._load()
        windows = self._windows(models, waveform)
        language = self._language(models, waveform, windows, language)
        aligner = models.word_aligner(language)
        timed = _align_over(waveform, _cover(windows, windows[0].start_s, windows[-1].end_s), words, aligner)
        if timed is None:
            timed = _align_over(waveform, _cover(windows, 0.0, waveform.duration_s), words, aligner)
        if timed is None:
            recognised = [w for u in self.recognise(waveform, language).utterances for w in u.words if w.word]
            timed = list(anchor_words(words, recognised, [(w.start_s, w.end_s) for w in windows]))
        utterances = group_words(timed, waveform.duration_s, frozenset(aligner.sentence_starts(words)))
        return Transcript(utterances, replace(self.info, language=language), _warnings(timed))

    def close(self) -> None:
        """Lets go of the models."""
        self._loaded = None

    def _load(self) -> tuple[WhisperXModels, WindowQueue]:
        with self._lock:
            if self._loaded is None:
                models = WhisperXModels(self._config)
                queue = WindowQueue(models.recogniser.transcribe_many, self._config.batch_size, self._limit_s)
                self._loaded = models, queue
            return self._loaded

    def _windows(self, models: WhisperXModels, waveform: Waveform) -> list[SpeechSegment]:
        stretches = check_segments(waveform.speech, waveform.duration_s) or models.detector.detect(waveform.samples)
        if not stretches:
            raise NoSpeechError(waveform.duration_s)
        longest_s = self._config.window_s
        return [
            part
            for window in join_segments(stretches, longest_s, max_pause_s=longest_s)
            for part in _divide(window, longest_s)
        ]

    def _language(
        self, models: WhisperXModels, waveform: Waveform, windows: Sequence[SpeechSegment], asked: str | None
    ) -> str:
        """The one asked for, else the preset one; detected where that is "auto"."""
        language = (asked or self._config.language).split("-")[0].lower()
        if language != DETECT:
            return language
        sounds = [waveform.cut(window.start_s, window.end_s) for window in windows[:_HEARD_FOR_LANGUAGE]]
        shares = models.recogniser.detect_languages(sounds)
        detected = max(shares, key=lambda each: shares[each])
        try:
            models.word_aligner(detected)
        except UnsupportedLanguageError as exc:
            heard = f"{detected}, detected with a probability of {shares[detected]:.2f},"
            raise UnsupportedLanguageError(NAME, heard, exc.supported) from exc
        return detected

    def _manner(self, language: str) -> DecodingOptions:
        return DecodingOptions(language, self._config.numerals)


def _time_windows(
    heard: Sequence[_Heard], waveform: Waveform, aligner: WordAligner
) -> tuple[list[TimedWord], list[int]]:
    """Words of all windows with their times, and which of them begin a sentence or a window."""
    spoken = [each for each in heard if each.words]
    pieces = [AlignmentInput([waveform.cut(each.window.start_s, each.window.end_s)], each.words) for each in spoken]
    found = dict(zip((each.window for each in spoken), aligner.find_words(pieces), strict=True))
    timed: list[TimedWord] = []
    breaks: list[int] = []
    for index, each in enumerate(heard):
        if not each.words:
            breaks.append(len(timed))
            timed.append(TimedWord("", each.window.start_s, each.window.end_s, "interpolated"))
            continue
        breaks += [len(timed) + start for start in aligner.sentence_starts(each.words)] or [len(timed)]
        times = found[each.window]
        if times is None:
            low_s = heard[index - 1].window.end_s if index else 0.0
            high_s = heard[index + 1].window.start_s if index + 1 < len(heard) else waveform.duration_s
            timed += _realign(each, SpeechSegment(low_s, high_s), waveform, aligner)
        else:
            timed += _place(each.words, times, each.window.start_s, "recognised")
    return timed, breaks


def _realign(lost: _Heard, room: SpeechSegment, waveform: Waveform, aligner: WordAligner) -> list[TimedWord]:
    """Words that did not fit into their window: over all the sound up to its neighbours, else spread over it."""
    again = _align_over(waveform, _divide(room, _LONGEST_SOUND_S), lost.words, aligner, "recognised")
    if again is not None:
        return again
    spans = share_time(lost.words, lost.window.start_s, lost.window.end_s)
    return [TimedWord(word, *span, "interpolated") for word, span in zip(lost.words, spans, strict=True)]


def _align_over(
    waveform: Waveform,
    parts: Sequence[SpeechSegment],
    words: Sequence[str],
    aligner: WordAligner,
    timing: Timing = "aligned",
) -> list[TimedWord] | None:
    """Words over consecutive parts of a recording, each heard on its own; None where they have no room."""
    sounds = [waveform.cut(part.start_s, part.end_s) for part in parts]
    [found] = aligner.find_words([AlignmentInput(sounds, words)])
    return None if found is None else _place(words, found, parts[0].start_s, timing)


def _cover(windows: Sequence[SpeechSegment], start_s: Seconds, end_s: Seconds) -> list[SpeechSegment]:
    """Everything between two times, cut in the middle of the pauses between windows, in parts of at most 30 s."""
    borders = [start_s, *((before.end_s + after.start_s) / 2 for before, after in pairwise(windows)), end_s]
    return [part for edges in pairwise(borders) for part in _divide(SpeechSegment(*edges), _LONGEST_SOUND_S)]


def _divide(whole: SpeechSegment, longest_s: Seconds) -> list[SpeechSegment]:
    """Equal parts, none longer than asked for."""
    count = max(1, ceil((whole.end_s - whole.start_s) / longest_s))
    edges = np.linspace(whole.start_s, whole.end_s, count + 1)
    return [SpeechSegment(float(start_s), float(end_s)) for start_s, end_s in pairwise(edges)]


def _place(words: Sequence[str], found: Sequence[FoundWord], origin_s: Seconds, timing: Timing) -> list[TimedWord]:
    return [
        TimedWord(word, origin_s + each.span[0], origin_s + each.span[1], timing, each.score)
        for word, each in zip(words, found, strict=True)
    ]


def _warnings(words: Sequence[TimedWord]) -> tuple[str, ...]:
    said = [word for word in words if word.word]
    unknown = len(words) - len(said)
    interpolated = sum(word.timing == "interpolated" for word in said)
    low = sum(word.score is not None and word.score < _LOW_SCORE for word in said)
    counted = {
        f"no word was recognised in {unknown} stretches of speech; the sound alone was judged there": unknown,
        f"{interpolated} of {len(said)} words had no time of their own and were interpolated": interpolated,
        f"{low} of {len(said)} words fit their sound badly (score under {_LOW_SCORE:g}); they may be wrong": low,
    }
    return tuple(text for text, count in counted.items() if count)
