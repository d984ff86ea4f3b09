"""PocketSphinx inside a worker process.

The decoder holds the interpreter lock while it works (11 s of speech stalled every thread for 3.6 s), so it lives in
processes of its own; this module is what runs there. It imports nothing that a decoder does not need.
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
    """A word in frames of 10 ms, end exclusive, with its posterior probability."""

    word: str
    start_frame: int
    end_frame: int
    probability: float


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """Frames of 10 ms, end exclusive; `guessed` when a pronunciation had to be made up."""

    start_frame: int
    end_frame: int
    guessed: bool


class PocketSphinxDecoder:
    """One decoder; every call starts from the same state, whatever came before."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        """A fresh dictionary, without the words that callers brought."""
        self._decoder = pocketsphinx.Decoder(samprate=16_000, loglevel="FATAL")
        self._added: set[str] = set()

    @contextmanager
    def _renewed_on_failure(self) -> Iterator[None]:
        """A decoder that failed inside an utterance stays in it: the next recording gets a fresh one."""
        try:
            yield
        except (RuntimeError, LookupError, ValueError) as exc:
            self._renew()
            raise AlignerFailedError("pocketsphinx", f"{type(exc).__name__}: {exc}") from exc

    @property
    def added_words(self) -> int:
        """How many words the dictionary has learnt from callers."""
        return len(self._added)

    def recognise(self, pcm: bytes) -> list[RecognisedWord]:
        """Words of 16-bit mono PCM at 16 kHz, fillers and silence left out."""
        with self._renewed_on_failure():
            self._decoder.activate_search(_RECOGNITION)
            return [word for word in self._decode(pcm) if not _is_filler(word.word)]

    def align(self, pcm: bytes, words: list[tuple[str, ...]]) -> list[AlignedWord | None] | None:
        """Times of known words.

        Args:
            pcm: 16-bit mono PCM at 16 kHz.
            words: how each word is said, as one or more dictionary words ("42" is ("forty", "two")).

        Returns:
            One entry per word, None for a word that nobody could pronounce; None as a whole when the sound does not
            follow the words.
        """
        if len(self._added) + sum(map(len, words)) > MAX_ADDED_WORDS:
            self._renew()
        said = [[token for token in word if self._can_say(token)] for word in words]
        tokens = [token for word in said for token in word]
        if not tokens:
            return None
        with self._renewed_on_failure():
            self._decoder.set_align_text(" ".join(tokens))
            found = [word for word in self._decode(pcm) if not _is_filler(word.word)]
        if [word.word for word in found] != tokens:
            return None
        return self._join(said, found)

    def _join(self, said: list[list[str]], found: list[RecognisedWord]) -> list[AlignedWord | None]:
        """Tokens back to words."""
        spans: list[AlignedWord | None] = []
        position = 0
        for tokens in said:
            parts = found[position : position + len(tokens)]
            position += len(tokens)
            guessed = any(token in self._added for token in tokens)
            spans.append(AlignedWord(parts[0].start_frame, parts[-1].end_frame, guessed) if parts else None)
        return spans

    def _can_say(self, token: str) -> bool:
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
        # Cepstral means and noise estimates of the recording before would leak into this one.
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
    """Initialises a worker process."""
    global _decoder  # noqa: PLW0603 - a process pool has no other place for what its initialiser makes
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
