"""PocketSphinx decoder in a worker process.

The decoder holds the interpreter lock while it runs (11 s of speech stalled every thread for 3.6 s), so it runs in
separate processes. This module imports nothing that the decoder does not need.
"""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pocketsphinx

from alignment.aligners.pocketsphinx.pronunciation import guess_phones
from alignment.errors import AlignerFailedError

_VARIANT: Final = re.compile(r"\(\d+\)$")
_RECOGNITION: Final = "_default"
MAX_ADDED_WORDS: Final = 5_000


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """Word with its frames of 10 ms, end exclusive, and its posterior probability."""

    word: str
    start_frame: int
    end_frame: int
    probability: float


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """Frames of 10 ms, end exclusive; `guessed` for a pronunciation by letter-to-sound rules."""

    start_frame: int
    end_frame: int
    guessed: bool


class PocketSphinxDecoder:
    """Decoder with results that do not depend on earlier calls."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        """Create the decoder anew, without words added by callers."""
        self._decoder = pocketsphinx.Decoder(samprate=16_000, loglevel="FATAL")
        self._added: set[str] = set()

    @contextmanager
    def _renewed_on_failure(self) -> Iterator[None]:
        """Replace the decoder after a failure, because it remains inside the failed utterance."""
        try:
            yield
        except (RuntimeError, LookupError, ValueError) as exc:
            self._renew()
            raise AlignerFailedError("pocketsphinx", f"{type(exc).__name__}: {exc}") from exc

    @property
    def added_words(self) -> int:
        """Number of words that callers have added to the dictionary."""
        return len(self._added)

    def recognise(self, pcm: bytes) -> list[RecognisedWord]:
        """Recognise 16-bit mono PCM at 16 kHz; fillers and silence are left out."""
        with self._renewed_on_failure():
            self._decoder.activate_search(_RECOGNITION)
            return [word for word in self._decode(pcm) if not _is_filler(word.word)]

    def align(self, pcm: bytes, words: list[tuple[str, ...]]) -> list[AlignedWord | None] | None:
        """Find the times of known words.

        Args:
            pcm: 16-bit mono PCM at 16 kHz.
            words: Each word as one or more spoken words ("42" is ("forty", "two")).

        Returns:
            One entry per word, None for a word without a pronunciation; None as a whole when the audio does not match
            the words.
        """
        if len(self._added) + sum(map(len, words)) > MAX_ADDED_WORDS:
            self._renew()
        spoken = [[token for token in word if self._can_pronounce(token)] for word in words]
        tokens = [token for word in spoken for token in word]
        if not tokens:
            return None
        with self._renewed_on_failure():
            self._decoder.set_align_text(" ".join(tokens))
            decoded = [word for word in self._decode(pcm) if not _is_filler(word.word)]
        if [word.word for word in decoded] != tokens:
            return None
        return self._join(spoken, decoded)

    def _join(self, spoken: list[list[str]], decoded: list[RecognisedWord]) -> list[AlignedWord | None]:
        """Word times from the times of spoken words."""
        spans: list[AlignedWord | None] = []
        position = 0
        for tokens in spoken:
            parts = decoded[position : position + len(tokens)]
            position += len(tokens)
            guessed = any(token in self._added for token in tokens)
            spans.append(AlignedWord(parts[0].start_frame, parts[-1].end_frame, guessed) if parts else None)
        return spans

    def _can_pronounce(self, token: str) -> bool:
        if any(mark in token for mark in " ()\x00"):
            return False
        if self._decoder.lookup_word(token) is not None:
            return True
        phones = guess_phones(token)
        if phones:
            self._decoder.add_word(token, " ".join(phones), update=False)
            self._added.add(token)
        return bool(phones)

    def _decode(self, pcm: bytes) -> list[RecognisedWord]:
        # Otherwise cepstral means and noise estimates of the previous recording affect this one.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return []
        return [
            RecognisedWord(_VARIANT.sub("", part.word), part.start_frame, part.end_frame + 1, part.prob)
            for part in self._decoder.seg()
        ]


def _is_filler(word: str) -> bool:
    return word.startswith(("<", "[", "++"))


_decoder: PocketSphinxDecoder | None = None


def start_worker() -> None:
    """Initialise a worker process."""
    global _decoder  # noqa: PLW0603 - a process pool gives its initialiser no other place
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _decoder = PocketSphinxDecoder()


def recognise(pcm: bytes) -> list[RecognisedWord]:
    """`PocketSphinxDecoder.recognise` of this process."""
    return _started().recognise(pcm)


def align(pcm: bytes, words: list[tuple[str, ...]]) -> list[AlignedWord | None] | None:
    """`PocketSphinxDecoder.align` of this process."""
    return _started().align(pcm, words)


def _started() -> PocketSphinxDecoder:
    if _decoder is None:
        raise RuntimeError("start_worker() has not run in this process")
    return _decoder
