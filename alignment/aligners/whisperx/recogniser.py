"""Whisper on CTranslate2, as WhisperX runs it, without state between calls.

`transcribe()` of the library keeps language, task and suppressed tokens on its pipeline, and concurrent calls mix them.
Only the model and the default options are taken from the pipeline here; the tokenizer and the options of each batch
are made from what its windows ask for.

Source: Bain et al. 2023, "WhisperX: Time-Accurate Speech Transcription of Long-Form Audio", Interspeech.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.weights.config import NAME
from alignment.aligners.whisperx.placement import Placement
from alignment.errors import AlignerFailedError

_MEL_BANDS: Final = 80
Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How a window is to be heard.

    Attributes:
        language: ISO 639-1 code.
        numerals: False has numbers spelled out.
        task: "translate" writes English whatever the language.
    """

    language: str
    numerals: bool = False
    task: Task = "transcribe"


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """(samples,) float32 at 16 kHz, at most 30 s, and how to hear it."""

    samples: NDArray[np.float32]
    manner: DecodingOptions


class WhisperRecogniser:
    """One Whisper model."""

    def __init__(self, folder: Path, placement: Placement, threads: int) -> None:
        """Loads the model.

        Args:
            folder: in CTranslate2's format.
            placement: where and how it runs.
            threads: of one call on a CPU.
        """
        import whisperx

        pipeline = whisperx.load_model(
            str(folder),
            placement.device,
            compute_type=placement.compute_type,
            language="en",
            vad_model=_no_vad,
            local_files_only=True,
            threads=threads,
        )
        self._model = pipeline.model
        self._options = pipeline.options
        self._options_of = lru_cache(maxsize=None)(self._make_options)

    @property
    def is_multilingual(self) -> bool:
        """False for a model of English alone."""
        return bool(self._model.model.is_multilingual)

    def knows(self, language: str) -> bool:
        """Whether Whisper was trained on a language."""
        return language == "en" or (self.is_multilingual and f"<|{language}|>" in self._model.hf_tokenizer.get_vocab())

    def transcribe_many(self, windows: Sequence[Window]) -> list[str]:
        """What is said in each window; windows of one manner go through the network together.

        Raises:
            AlignerFailedError: CTranslate2 refused.
        """
        by_manner: dict[DecodingOptions, list[int]] = defaultdict(list)
        for index, window in enumerate(windows):
            by_manner[window.manner].append(index)
        texts = [""] * len(windows)
        for manner, indices in by_manner.items():
            heard = self._transcribe([windows[index].samples for index in indices], manner)
            for index, text in zip(indices, heard, strict=True):
                texts[index] = text
        return texts

    def detect_languages(self, sounds: Sequence[NDArray[np.float32]]) -> dict[str, float]:
        """Languages and their probabilities, averaged over sounds of at most 30 s.

        Raises:
            AlignerFailedError: CTranslate2 refused.
        """
        if not self.is_multilingual:
            return {"en": 1.0}
        try:
            found = self._model.model.detect_language(self._model.encode(self._features(sounds)))
        except (RuntimeError, ValueError) as exc:
            raise AlignerFailedError(NAME, str(exc)) from exc
        shares: dict[str, float] = defaultdict(float)
        for languages in found:
            for token, probability in languages:
                shares[token.strip("<|>")] += probability / len(found)
        return dict(shares)

    def _transcribe(self, sounds: Sequence[NDArray[np.float32]], manner: DecodingOptions) -> list[str]:
        tokenizer, options = self._options_of(manner)
        try:
            output = self._model.generate_segment_batched(self._features(sounds), tokenizer, options)
        except (RuntimeError, ValueError) as exc:
            raise AlignerFailedError(NAME, str(exc)) from exc
        return [str(text).strip() for text in output["text"]]

    def _features(self, sounds: Sequence[NDArray[np.float32]]) -> Any:
        """(sounds, n_mels, 3000) log mel spectrograms, each padded to 30 s."""
        import torch
        from whisperx.audio import N_SAMPLES, log_mel_spectrogram

        bands = self._model.feat_kwargs.get("feature_size") or _MEL_BANDS
        return torch.stack([log_mel_spectrogram(sound, bands, padding=N_SAMPLES - len(sound)) for sound in sounds])

    def _make_options(self, manner: DecodingOptions) -> tuple[Any, Any]:
        """The tokenizer and the decoding options of a manner; never changed after."""
        from faster_whisper.tokenizer import Tokenizer
        from whisperx.asr import find_numeral_symbol_tokens

        tokenizer = Tokenizer(self._model.hf_tokenizer, self.is_multilingual, manner.task, manner.language)
        if manner.numerals:
            return tokenizer, self._options
        suppressed = {*self._options.suppress_tokens, *find_numeral_symbol_tokens(tokenizer)}
        return tokenizer, replace(self._options, suppress_tokens=sorted(suppressed))


def _no_vad(_audio: object) -> list[object]:
    """Stands where WhisperX wants a detector; it is never asked, because windows are cut before."""
    return []
