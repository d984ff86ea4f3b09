"""Models of WhisperX, loaded from this machine alone, and the languages that they support."""

from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from threading import Lock
from typing import Final

from alignment.aligners.weights import locate
from alignment.aligners.weights.config import NAME, WhisperXConfig
from alignment.aligners.whisperx.loading import loading
from alignment.aligners.whisperx.placement import choose_placement, inspect_machine
from alignment.aligners.whisperx.recogniser import WhisperRecogniser
from alignment.aligners.whisperx.speech_detection import SpeechDetector, make_detector
from alignment.aligners.whisperx.word_aligner import WordAligner
from alignment.errors import AlignerUnavailableError, UnsupportedLanguageError

# Alignment models of 0.4 to 1.3 GB each.
_MAX_LANGUAGES: Final = 3


class WhisperXModels:
    """Recogniser, speech detector, and one alignment model per language in use."""

    def __init__(self, config: WhisperXConfig) -> None:
        """Load everything but the alignment models.

        Raises:
            AlignerUnavailableError: Weights are missing or damaged, or the device is not there.
        """
        locate.require_weights(config)
        self._config = config
        with loading(_damaged):
            import torch

            folder = locate.find_whisper(config)
            if folder is None:
                raise FileNotFoundError(f"the Whisper model {config.model!r} was removed after the start")
            self.placement = choose_placement(config, inspect_machine(), (folder / "model.bin").stat().st_size)
            torch.set_num_threads(config.threads)
            self.recogniser = WhisperRecogniser(folder, self.placement, config.threads)
            self.languages = self.recogniser.languages
            self.detector: SpeechDetector = make_detector(config.vad)
        self._aligners: OrderedDict[str, WordAligner] = OrderedDict()
        self._lock = Lock()

    def word_aligner(self, language: str) -> WordAligner:
        """Alignment model of a language; the most recently used ones stay loaded.

        Raises:
            UnsupportedLanguageError: Whisper does not support the language, or its alignment model is missing.
            AlignerUnavailableError: The model is damaged.
        """
        with self._lock:
            if language not in self._aligners:
                self._aligners[language] = self._load_aligner(language)
            self._aligners.move_to_end(language)
            while len(self._aligners) > _MAX_LANGUAGES:
                self._aligners.popitem(last=False)
            return self._aligners[language]

    def _load_aligner(self, language: str) -> WordAligner:
        weights, nltk_data = find_language(self._config, language, self.languages)
        with loading(_damaged):
            return WordAligner(language, weights, nltk_data, self.placement.device)


def find_language(
    config: WhisperXConfig, language: str, of_whisper: Collection[str]
) -> tuple[locate.AlignWeights, Path]:
    """Alignment model and NLTK data of a language; nothing is loaded.

    Args:
        config: Models.
        language: Code of the language.
        of_whisper: Languages of the Whisper model; empty where they are not known, because it was never loaded.

    Raises:
        UnsupportedLanguageError: Whisper does not support the language, or a file for its alignment is missing.
    """
    if of_whisper and language not in of_whisper:
        kind = "every language of Whisper" if len(of_whisper) > 1 else "English (en)"
        raise UnsupportedLanguageError(NAME, language, f"{kind} with the model {config.model!r}")
    weights, nltk_data = locate.find_align_model(config, language), locate.find_nltk_data(config, language)
    if weights is None or nltk_data is None:
        here = ", ".join(locate.aligned_languages(config))
        raise UnsupportedLanguageError(NAME, language, f"{here}; `can-ser fetch --language {language}` adds to them")
    return weights, nltk_data


def _damaged(reason: str) -> AlignerUnavailableError:
    return AlignerUnavailableError(
        NAME, f"its models cannot be loaded ({reason})", "fetch them again with `can-ser fetch --again`"
    )
