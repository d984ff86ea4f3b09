"""Whisper on CTranslate2, as WhisperX runs it, without state between calls.

`transcribe()` of the library stores language, task and suppressed tokens on its pipeline, where concurrent calls mix
them up. Only the model and the default options are taken from the pipeline; the tokenizer and the options of each batch
follow from the decoding options of its windows.

Source: Bain et al. 2023, "WhisperX: Time-Accurate Speech Transcription of Long-Form Audio", Interspeech.
"""

import re
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
_LANGUAGE_TOKEN: Final = re.compile(r"<\|([a-z]{2,3})\|>")
Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """Decoding options of a window.

    Attributes:
        language: ISO 639-1 code.
        numerals: False spells numbers out.
        task: "translate" gives English for every language.
    """

    language: str
    numerals: bool = False
    task: Task = "transcribe"


@dataclass(frozen=True, slots=True, eq=False)
class RecognitionInput:
    """Window of (samples,) float32 at 16 kHz, at most 30 s, and its decoding options."""

    samples: NDArray[np.float32]
    options: DecodingOptions


class WhisperRecogniser:
    """One Whisper model."""

    def __init__(self, folder: Path, placement: Placement, threads: int) -> None:
        """Load the model.

        Args:
            folder: Folder in CTranslate2's format.
            placement: Device and compute type.
            threads: CPU threads of one call.
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
        self._default_options = pipeline.options
        self._library_options = lru_cache(maxsize=None)(self._make_library_options)

    @property
    def is_multilingual(self) -> bool:
        """False for a model of English alone."""
        return bool(self._model.model.is_multilingual)

    @property
    def languages(self) -> frozenset[str]:
        """Codes of the languages that the model was trained on."""
        tokens = self._model.hf_tokenizer.get_vocab() if self.is_multilingual else ()
        return frozenset({"en"} | {token[1] for token in map(_LANGUAGE_TOKEN.fullmatch, tokens) if token})

    def transcribe_many(self, inputs: Sequence[RecognitionInput]) -> list[str]:
        """Text of each window; windows with the same options go through the network together.

        Raises:
            AlignerFailedError: CTranslate2 failed.
        """
        by_options: dict[DecodingOptions, list[int]] = defaultdict(list)
        for index, each in enumerate(inputs):
            by_options[each.options].append(index)
        texts = [""] * len(inputs)
        for options, indices in by_options.items():
            transcribed = self._transcribe([inputs[index].samples for index in indices], options)
            for index, text in zip(indices, transcribed, strict=True):
                texts[index] = text
        return texts

    def detect_languages(self, sounds: Sequence[NDArray[np.float32]]) -> dict[str, float]:
        """Languages and their probabilities, averaged over sounds of at most 30 s.

        Raises:
            AlignerFailedError: CTranslate2 failed.
        """
        if not self.is_multilingual:
            return {"en": 1.0}
        try:
            detected = self._model.model.detect_language(self._model.encode(self._features(sounds)))
        except (RuntimeError, ValueError) as exc:
            raise AlignerFailedError(NAME, str(exc)) from exc
        probabilities: dict[str, float] = defaultdict(float)
        for languages in detected:
            for token, probability in languages:
                probabilities[token.strip("<|>")] += probability / len(detected)
        return dict(probabilities)

    def _transcribe(self, sounds: Sequence[NDArray[np.float32]], options: DecodingOptions) -> list[str]:
        tokenizer, library_options = self._library_options(options)
        try:
            output = self._model.generate_segment_batched(self._features(sounds), tokenizer, library_options)
        except (RuntimeError, ValueError) as exc:
            raise AlignerFailedError(NAME, str(exc)) from exc
        return [str(text).strip() for text in output["text"]]

    def _features(self, sounds: Sequence[NDArray[np.float32]]) -> Any:
        """(sounds, n_mels, 3000) log mel spectrograms, each padded to 30 s."""
        import torch
        from whisperx.audio import N_SAMPLES, log_mel_spectrogram

        bands = self._model.feat_kwargs.get("feature_size") or _MEL_BANDS
        return torch.stack([log_mel_spectrogram(sound, bands, padding=N_SAMPLES - len(sound)) for sound in sounds])

    def _make_library_options(self, options: DecodingOptions) -> tuple[Any, Any]:
        """The library's tokenizer and options for decoding options; never changed afterwards."""
        from faster_whisper.tokenizer import Tokenizer
        from whisperx.asr import find_numeral_symbol_tokens

        tokenizer = Tokenizer(self._model.hf_tokenizer, self.is_multilingual, options.task, options.language)
        if options.numerals:
            return tokenizer, self._default_options
        suppressed = {*self._default_options.suppress_tokens, *find_numeral_symbol_tokens(tokenizer)}
        return tokenizer, replace(self._default_options, suppress_tokens=sorted(suppressed))


def _no_vad(_audio: object) -> list[object]:
    """Placeholder for WhisperX's voice activity detector, which is never called: windows are cut beforehand."""
    return []
