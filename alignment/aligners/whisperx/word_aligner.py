"""Word times and sentence starts: the CTC network that WhisperX loads, and NLTK's sentence splitter.

The network encodes one window at a time: padding a window to another's length would change the normalisation over time
inside wav2vec 2.0, and with it the result. Only the search is batched (`alignment.aligners.whisperx.ctc`).

Source: Bain et al. 2023, "WhisperX: Time-Accurate Speech Transcription of Long-Form Audio", Interspeech, Section 3.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.weights.catalogue import LANGUAGES_WITHOUT_SPACES, punkt_folder
from alignment.aligners.weights.config import NAME
from alignment.aligners.weights.locate import AlignWeights
from alignment.aligners.whisperx.ctc import Emission, SymbolTimes, align_symbols
from alignment.errors import AlignerFailedError
from alignment.priority import PrioritySlots
from alignment.timing import SAMPLE_RATE_HZ, Seconds
from alignment.transcripts.interpolation import Span

_SHORTEST_SAMPLES: Final = 400
_BLANKS: Final = ("[pad]", "<pad>")
_GAP: Final = "|"
# One bit for each frame and symbol, 250 MB: an hour of speech needs about four times as many.
_MAX_CELLS: Final = 2_000_000_000
_SEARCH_BATCH: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class AlignmentInput:
    """Audio and the words that are said in it.

    Attributes:
        sounds: (samples,) float32 each, at 16 kHz; consecutive, each at most 30 s.
        words: At least one.
    """

    sounds: Sequence[NDArray[np.float32]]
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class WordAlignment:
    """Seconds from the start of the audio, and the mean probability of the word's symbols in [0, 1]."""

    span: Span
    score: float


class WordAligner:
    """Alignment model of one language; safe to share between threads."""

    def __init__(self, language: str, weights: AlignWeights, nltk_data: Path, device: str) -> None:
        """Load the model and the sentence splitter."""
        import nltk
        import whisperx
        from nltk.tokenize.punkt import PunktSentenceTokenizer, load_punkt_params

        self._network, metadata = whisperx.load_align_model(
            language, device, model_name=weights.name, model_dir=weights.torch_folder, model_cache_only=True
        )
        self._is_torchaudio = metadata["type"] == "torchaudio"
        self._columns: dict[str, int] = metadata["dictionary"]
        self._blank = next((self._columns[name] for name in _BLANKS if name in self._columns), 0)
        self._language, self._device = language, device
        self._slots = PrioritySlots(1)
        # NLTK opens files below the folders of this list only.
        if str(nltk_data) not in nltk.data.path:
            nltk.data.path.insert(0, str(nltk_data))
        # The tokenizer's own look-up would use the first folder of the list that holds the language.
        punkt = nltk.data.find(f"{punkt_folder(language).as_posix()}/", [str(nltk_data)])
        self._sentences = PunktSentenceTokenizer(load_punkt_params(punkt))

    def split(self, text: str) -> list[str]:
        """Written words of a text; single characters in a language without spaces."""
        words = text.split()
        return list("".join(words)) if self._language in LANGUAGES_WITHOUT_SPACES else words

    def sentence_starts(self, words: Sequence[str]) -> list[int]:
        """Indices of words that begin a sentence."""
        separator = "" if self._language in LANGUAGES_WITHOUT_SPACES else " "
        sentences = {start for start, _ in self._sentences.span_tokenize(separator.join(words))}
        starts, offset = [], 0
        for index, word in enumerate(words):
            if offset in sentences:
                starts.append(index)
            offset += len(word) + len(separator)
        return starts

    def align_words(self, inputs: Sequence[AlignmentInput]) -> list[list[WordAlignment] | None]:
        """Times of every word of every input; None for audio too short for its words, or too long for one search.

        Raises:
            AlignerFailedError: The network failed.
        """
        aligned: list[list[WordAlignment] | None] = []
        for first in range(0, len(inputs), _SEARCH_BATCH):
            aligned += self._align_batch(inputs[first : first + _SEARCH_BATCH])
        return aligned

    def _align_batch(self, inputs: Sequence[AlignmentInput]) -> list[list[WordAlignment] | None]:
        emissions, edges = [], []
        for each in inputs:
            logs, frame_edges = self._encode(each.sounds)
            emissions.append(self._emission(logs, each.words))
            edges.append(frame_edges)
        times = align_symbols(emissions, self._blank)
        return [
            None if found is None else _join_symbols(each.words, found, frame_edges, self._has_gap)
            for each, found, frame_edges in zip(inputs, times, edges, strict=True)
        ]

    @property
    def _has_gap(self) -> bool:
        """Whether the network has a symbol between words."""
        return _GAP in self._columns and self._language not in LANGUAGES_WITHOUT_SPACES

    def _encode(self, sounds: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """(frames, symbols) log-probabilities of consecutive sounds; (frames + 1,) edges of the frames in seconds."""
        logs = [self._log_probabilities(sound) for sound in sounds]
        edges, start_s = [np.zeros(1)], 0.0
        for sound, each in zip(sounds, logs, strict=True):
            length_s: Seconds = len(sound) / SAMPLE_RATE_HZ
            edges.append(start_s + length_s * np.arange(1, len(each) + 1) / len(each))
            start_s += length_s
        return np.concatenate(logs), np.concatenate(edges)

    def _log_probabilities(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        padded = np.pad(sound, (0, max(0, _SHORTEST_SAMPLES - len(sound))))
        with self._slots.slot(), torch.inference_mode():
            try:
                output = self._network(torch.from_numpy(padded)[None].to(self._device))
            except RuntimeError as exc:
                raise AlignerFailedError(NAME, str(exc)) from exc
            logits = output[0] if self._is_torchaudio else output.logits
            logs: NDArray[np.float32] = torch.log_softmax(logits[0], dim=-1).float().cpu().numpy()
        return logs

    def _emission(self, logs: NDArray[np.float32], words: Sequence[str]) -> Emission:
        """Columns of the words' characters; a character unknown to the network matches any symbol but the blank."""
        characters = (_GAP if self._has_gap else "").join(words)
        wildcard = logs.shape[1]
        symbols = np.array([self._column(character, wildcard) for character in characters], np.int64)
        if len(logs) * len(symbols) > _MAX_CELLS:
            symbols = symbols[:0]
        if (symbols == wildcard).any():
            any_symbol = np.delete(logs, self._blank, axis=1).max(axis=1, keepdims=True)
            logs = np.concatenate((logs, any_symbol), axis=1)
        return Emission(logs, symbols)

    def _column(self, character: str, wildcard: int) -> int:
        written = "'" if character == "\u2019" else character.lower()
        return self._columns.get(written, wildcard)


def _join_symbols(
    words: Sequence[str], times: SymbolTimes, edges: NDArray[np.float64], has_gap: bool
) -> list[WordAlignment]:
    """Word times from symbol times; a word ends where its last character does."""
    aligned, first = [], 0
    for word in words:
        last = first + len(word)
        span = float(edges[times.starts[first]]), float(edges[times.ends[last - 1]])
        aligned.append(WordAlignment(span, min(1.0, max(0.0, float(times.scores[first:last].mean())))))
        first = last + has_gap
    return aligned
