"""Embedded aligner: Moonshine recognises the words, PocketSphinx's acoustic model aligns them.

Moonshine tiny-en gives text without times. Its words, digits and symbols spelled out, are aligned within the stretch
of speech that they come from. The encoder states of each stretch are kept in the transcript.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import Lock
from typing import Final

import numpy as np

from alignment.aligners.moonshine.attempts import is_spoken, recognise_repeatedly
from alignment.aligners.moonshine.model_files import MODEL, NAME, find_model_files
from alignment.aligners.moonshine.recogniser import MoonshineRecogniser
from alignment.aligners.pocketsphinx.processes import PocketSphinxProcesses, timed_words
from alignment.audio import Waveform
from alignment.priority import PrioritySlots
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.timing import SAMPLE_RATE_HZ, Seconds
from alignment.transcripts.doubt import ALIGNED_BELOW, MOONSHINE_BELOW, mark_doubtful
from alignment.transcripts.interpolation import anchor_words
from alignment.transcripts.normalisation import spoken_forms
from alignment.transcripts.utterances import SpeechSegment, assign_words, group_words, join_segments
from alignment.transcripts.warnings import alignment_warnings, recognition_warnings
from alignment.transcripts.words import AlignerInfo, EncodedSpeech, TimedWord, Transcript, check_transcript

# Context improves recognition: segments are joined across pauses up to this length, of the 30 s of the training.
_MAX_STRETCH_S: Final = 20.0
_CALLS_WAITING: Final = 2
_MAX_PAUSE_S: Final = 2.0
_CONTEXT_S: Final = 0.2
_WIDE_CONTEXT_S: Final = 1.0
# Where speech goes on across a cut, both stretches contain the word at the cut as a whole.
_OVERLAP_S: Final = 0.6
_SHORT_PAUSE_S: Final = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """Recognised words of a stretch of speech.

    Attributes:
        speech: The stretch; neighbouring ones do not overlap.
        sound: The same with context, which was recognised.
        words: Written words.
        scores: Probability of each word.
        encoded: Encoder states.
    """

    speech: SpeechSegment
    sound: SpeechSegment
    words: tuple[str, ...]
    scores: tuple[float, ...]
    encoded: EncodedSpeech


class MoonshineAligner:
    """Recognition and forced alignment of English."""

    def __init__(self, worker_count: int = 1, reason: str = "", limit_s: Seconds = 600.0, *, threads: int = 1) -> None:
        """Locate the model; it is loaded, and worker processes start, on first use.

        Args:
            worker_count: Processes of PocketSphinx, which align the words.
            reason: Why this aligner was selected, for `info`.
            limit_s: Longest duration of an alignment, after which its processes are stopped.
            threads: Threads of one call of the recogniser.

        Raises:
            AlignerUnavailableError: The model is not installed.
        """
        self.info = AlignerInfo(NAME, MODEL, "en", reason)
        self._files = find_model_files()
        self._threads = threads
        self._detector = VoiceActivityDetector()
        self._processes = PocketSphinxProcesses(NAME, worker_count, limit_s)
        self._stretches_at_once = max(1, (os.cpu_count() or 1) // threads)
        self._slots = PrioritySlots(self._stretches_at_once)
        self._loading = Lock()
        self._loaded: MoonshineRecogniser | None = None

    @property
    def calls_at_once(self) -> int:
        """See `Aligner.calls_at_once`: calls share the cores stretch by stretch, by their priority."""
        return self._stretches_at_once + _CALLS_WAITING

    @property
    def loaded(self) -> bool:
        """See `Aligner.loaded`; the model is never unloaded."""
        return True

    def warm_up(self) -> None:
        """Verify and load the model, start the processes, and run each once.

        Raises:
            AlignerUnavailableError: A file of the model is altered.
        """
        silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
        self._detector.detect(silence)
        recogniser = self._recogniser()
        recogniser.decode(recogniser.encode(silence), len(silence))
        self._processes.warm_up(recognises=False)

    def check_language(self, language: str | None) -> None:
        """See `Aligner.check_language`."""
        self._processes.check_language(language)

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """See `Aligner.recognise`; a speech segment without a recognised word becomes one unknown word."""
        self.check_language(language)
        segments = self._detector.find_speech(waveform)
        stretches = self._recognise(waveform, segments)
        words = mark_doubtful(self._find_times(waveform, stretches), MOONSHINE_BELOW, MOONSHINE_BELOW)
        utterances = assign_words(words, segments, waveform.duration_s)
        warnings = recognition_warnings([word for utterance in utterances for word in utterance.words])
        return Transcript(utterances, self.info, warnings, tuple(stretch.encoded for stretch in stretches))

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """See `Aligner.align`; words that cannot be aligned are interpolated and marked."""
        self.check_language(language)
        words = check_transcript(text, waveform.duration_s)
        segments = self._detector.find_speech(waveform)
        timed = self._processes.align_transcript(
            waveform, segments, words, lambda: self._find_times(waveform, self._recognise(waveform, segments))
        )
        marked = mark_doubtful(timed, MOONSHINE_BELOW, ALIGNED_BELOW)
        return Transcript(group_words(marked, waveform.duration_s), self.info, alignment_warnings(marked))

    def close(self) -> None:
        """End the worker processes and abandon running alignments."""
        self._processes.close()

    def _recogniser(self) -> MoonshineRecogniser:
        with self._loading:
            if self._loaded is None:
                self._loaded = MoonshineRecogniser(self._files, self._threads)
            return self._loaded

    def _recognise(self, waveform: Waveform, segments: Sequence[SpeechSegment]) -> list[_Stretch]:
        speech = join_segments(self._detector.split_long(waveform, segments), _MAX_STRETCH_S, _MAX_PAUSE_S)
        near = _add_context(speech, waveform.duration_s, _CONTEXT_S)
        wide = _add_context(speech, waveform.duration_s, _WIDE_CONTEXT_S)
        stretches = []
        for each in zip(speech, near, wide, strict=True):
            with self._slots.slot():
                stretches.append(self._recognise_stretch(waveform, *each))
        return stretches

    def _recognise_stretch(
        self, waveform: Waveform, speech: SpeechSegment, near: SpeechSegment, wide: SpeechSegment
    ) -> _Stretch:
        recogniser = self._recogniser()
        samples, wider = (waveform.cut(sound.start_s, sound.end_s) for sound in (near, wide))
        states = recogniser.encode(samples)
        text = recognise_repeatedly(recogniser, recogniser.decode(states, len(samples)), samples, wider)
        spoken = is_spoken(text, samples, self._detector)
        words, scores = (text.words, text.scores) if spoken else ((), ())
        return _Stretch(speech, near, words, scores, EncodedSpeech(near.start_s, states))

    def _find_times(self, waveform: Waveform, stretches: Sequence[_Stretch]) -> list[TimedWord]:
        spoken = [stretch for stretch in stretches if stretch.words]
        sounds = [waveform.cut(stretch.sound.start_s, stretch.sound.end_s) for stretch in spoken]
        results = self._processes.align(sounds, [spoken_forms(stretch.words) for stretch in spoken])
        joined: list[TimedWord] = []
        for index, (stretch, aligned) in enumerate(zip(spoken, results, strict=True)):
            start_s, end_s = stretch.sound.start_s, stretch.sound.end_s
            if aligned is None:
                [recognised] = self._processes.recognise([sounds[index]], [start_s])
                timed = anchor_words(stretch.words, recognised, [(stretch.speech.start_s, stretch.speech.end_s)])
            else:
                timed = timed_words(stretch.words, aligned, start_s, end_s)
            scored = [replace(word, score=score) for word, score in zip(timed, stretch.scores, strict=True)]
            following = spoken[index + 1].speech.start_s if index + 1 < len(spoken) else waveform.duration_s
            joined += _beyond(joined, scored, following)
        return joined


def _add_context(speech: Sequence[SpeechSegment], duration_s: Seconds, context_s: Seconds) -> list[SpeechSegment]:
    """Stretches with the sound around them: half of a pause at most, or, at a cut within speech, a whole word."""
    pauses_s = [after.start_s - before.end_s for before, after in pairwise(speech)]
    margins_s = [min(context_s, pause_s / 2) if pause_s >= _SHORT_PAUSE_S else _OVERLAP_S for pause_s in pauses_s]
    return [
        SpeechSegment(max(0.0, each.start_s - before_s), min(duration_s, each.end_s + after_s))
        for each, before_s, after_s in zip(speech, [context_s, *margins_s], [*margins_s, context_s], strict=True)
    ]


def _beyond(joined: Sequence[TimedWord], words: Sequence[TimedWord], end_s: Seconds) -> list[TimedWord]:
    """Words of a stretch that begin after the joined ones and belong before the next stretch.

    A word at a cut is part of both stretches; it is taken once, from the first if its middle is before the cut.
    """
    start_s = joined[-1].end_s if joined else 0.0
    return [
        replace(word, start_s=max(word.start_s, start_s))
        for word in words
        if start_s <= (word.start_s + word.end_s) / 2 < end_s
    ]
