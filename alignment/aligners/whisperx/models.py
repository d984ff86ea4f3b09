"""Everything that WhisperX loads, from this machine alone."""

from collections import OrderedDict
from threading import Lock
from typing import Final

from alignment.aligners.weights.config import NAME, WhisperXConfig
from alignment.aligners.weights.locate import (
    aligned_languages,
    find_align_model,
    find_nltk_data,
    find_whisper,
    require_weights,
)
from alignment.aligners.whisperx.loading import loading
from alignment.aligners.whisperx.placement import Placement, choose_placement, look_at_machine
from alignment.aligners.whisperx.recogniser import WhisperRecogniser
from alignment.aligners.whisperx.speech_detection import SpeechDetector, make_detector
from alignment.aligners.whisperx.word_aligner import WordAligner
from alignment.errors import AlignerUnavailableError, UnsupportedLanguageError

# Each of 0.4 to 1.3 GB.
_LANGUAGES_KEPT: Final = 3


class WhisperXModels:
    """A recogniser, a detector of speech, and an alignment model for each language asked for."""

    def __init__(self, config: WhisperXConfig) -> None:
        """Loads all but the alignment models.

        Raises:
            AlignerUnavailableError: weights are missing or damaged, or the device is not there.
        """
        require_weights(config)
        self._config = config
        with loading(_damaged):
            self.placement = _place(config)
            self.recogniser = _load_recogniser(config, self.placement)
            self.detector: SpeechDetector = make_detector(config.vad)
        self._aligners: OrderedDict[str, WordAligner] = OrderedDict()
        self._lock = Lock()

    def word_aligner(self, language: str) -> WordAligner:
        """The alignment model of a language; those that were asked for last are kept.

        Raises:
            UnsupportedLanguageError: Whisper does not know the language, or its alignment model is not on this machine.
            AlignerUnavailableError: the model is damaged.
        """
        with self._lock:
            if language not in self._aligners:
                self._aligners[language] = self._load_aligner(language)
            self._aligners.move_to_end(language)
            while len(self._aligners) > _LANGUAGES_KEPT:
                self._aligners.popitem(last=False)
            return self._aligners[language]

    def _load_aligner(self, language: str) -> WordAligner:
        if not self.recogniser.knows(language):
            kind = "every language that Whisper knows" if self.recogniser.is_multilingual else "English (en)"
            raise UnsupportedLanguageError(NAME, language, f"{kind} with the model {self._config.model!r}")
        weights = find_align_model(self._config, language)
        nltk_data = find_nltk_data(self._config, language)
        if weights is None or nltk_data is None:
            here = ", ".join(aligned_languages(self._config))
            raise UnsupportedLanguageError(
                NAME, language, f"{here}; `can-ser fetch --language {language}` adds to them"
            )
        with loading(_damaged):
            return WordAligner(language, weights, nltk_data, self.placement.device)


def _place(config: WhisperXConfig) -> Placement:
    folder = find_whisper(config)
    return choose_placement(config, look_at_machine(), (folder / "model.bin").stat().st_size if folder else 0)


def _load_recogniser(config: WhisperXConfig, placement: Placement) -> WhisperRecogniser:
    import torch

    folder = find_whisper(config)
    if folder is None:
        raise FileNotFoundError(f"the Whisper model {config.model!r} has gone since the start")
    torch.set_num_threads(config.threads)
    return WhisperRecogniser(folder, placement, config.threads)


def _damaged(reason: str) -> AlignerUnavailableError:
    return AlignerUnavailableError(
        NAME, f"its models cannot be loaded ({reason})", "fetch them again with `can-ser fetch --again`"
    )
