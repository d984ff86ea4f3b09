"""Everything that WhisperX loads, from this machine alone."""

import os
import pickle
import sys
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from threading import Lock
from typing import Final

from alignment.aligners.speech_detection import SpeechDetector, make_detector
from alignment.aligners.whisperx_alignment import WordAligner
from alignment.aligners.whisperx_device import Placement, choose_placement, look_at_machine
from alignment.aligners.whisperx_recogniser import WhisperRecogniser
from alignment.aligners.whisperx_weights import (
    NAME,
    WhisperXConfig,
    aligned_languages,
    find_align_model,
    find_nltk_data,
    find_whisper,
    require_weights,
)
from alignment.errors import AlignerUnavailableError, UnsupportedLanguageError

# Each of 0.4 to 1.3 GB.
_LANGUAGES_KEPT: Final = 3
_BROKEN: Final = (ImportError, OSError, RuntimeError, ValueError, LookupError, EOFError, pickle.UnpicklingError)
# Read by libraries when they are imported: nothing is told to anybody. Nothing is asked either: they load folders.
_ENVIRONMENT: Final = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "PYANNOTE_METRICS_ENABLED": "0",
}


class WhisperXModels:
    """A recogniser, a detector of speech, and an alignment model for each language asked for."""

    def __init__(self, config: WhisperXConfig) -> None:
        """Loads all but the alignment models.

        Raises:
            AlignerUnavailableError: weights are missing or damaged, or the device is not there.
        """
        require_weights(config)
        self._config = config
        with _loading():
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
        with _loading():
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


@contextmanager
def _loading() -> Iterator[None]:
    """Offline, quiet, and with one error for whatever is wrong with the weights."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        # The library prints to standard output, which belongs to our own answers.
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            # It never decodes files here, so that the decoder it misses is not missed.
            warnings.filterwarnings("ignore", message="(?s).*torchcodec is not installed correctly")
            yield
    except _BROKEN as exc:
        reason = f"its models cannot be loaded ({type(exc).__name__}: {exc})"
        raise AlignerUnavailableError(NAME, reason, "fetch them again with `can-ser fetch --again`") from exc
