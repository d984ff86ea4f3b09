"""PocketSphinx decoders in a worker process: one for recognition, one for forced alignment.

A decoder holds the interpreter lock while it runs (11 s of speech stalled every thread for 3.6 s), so it runs in
separate processes. This module imports nothing that a decoder does not need.
"""

import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pocketsphinx

from alignment.aligners.pocketsphinx.pronunciation import guess_phones
from alignment.errors import AlignerFailedError
from alignment.timing import SAMPLE_RATE_HZ, Seconds

_VARIANT: Final = re.compile(r"\(\d+\)$")
# A phone has three states, a frame each at least: at 100 frames per second, phones under 30 ms do not fit, and their
# words are displaced or fail.
_ALIGNMENT_FRAMES_PER_S: Final = 150
_ALIGNMENT_HOP_SAMPLES: Final = 107
"""Samples per frame of the alignment: PocketSphinx rounds 16,000 / 150."""
MAX_ADDED_WORDS: Final = 5_000


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """Word with its frames, of 10 ms in recognition, end exclusive, and its posterior probability."""

    word: str
    start_frame: int
    end_frame: int
    probability: float


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """Times from the start of the audio; `guessed` for a pronunciation by letter-to-sound rules."""

    start_s: Seconds
    end_s: Seconds
    guessed: bool


class PocketSphinxDecoder:
    """Decoders with results that do not depend on earlier calls; each is loaded when it is first used."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        """Create the decoders anew, without words added by callers."""
        self._recognition: pocketsphinx.Decoder | None = None
        self._alignment: pocketsphinx.Decoder | None = None
        self._added: set[str] = set()

    @contextmanager
    def _renewed_on_failure(self) -> Iterator[None]:
        """Replace a decoder after a failure, because it remains inside the failed utterance."""
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
            if self._recognition is None:
                self._recognition = pocketsphinx.Decoder(samprate=SAMPLE_RATE_HZ, loglevel="FATAL")
            return _decode(self._recognition, pcm)

    def align(self, pcm: bytes, words: Sequence[tuple[str, ...]]) -> list[AlignedWord | None] | None:
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
        if self._alignment is None:
            self._alignment = pocketsphinx.Decoder(
                samprate=SAMPLE_RATE_HZ, frate=_ALIGNMENT_FRAMES_PER_S, lm=None, loglevel="FATAL"
            )
        decoder = self._alignment
        spoken = [[token for token in word if self._can_pronounce(decoder, token)] for word in words]
        tokens = [token for word in spoken for token in word]
        if not tokens:
            return None
        with self._renewed_on_failure():
            decoder.set_align_text(" ".join(tokens))
            decoded = _decode(decoder, pcm)
        if [word.word for word in decoded] != tokens:
            return None
        return self._join(spoken, decoded)

    def _join(self, spoken: list[list[str]], decoded: list[RecognisedWord]) -> list[AlignedWord | None]:
        """Word times from the frames of spoken words."""
        spans: list[AlignedWord | None] = []
        position = 0
        for tokens in spoken:
            parts = decoded[position : position + len(tokens)]
            position += len(tokens)
            guessed = any(token in self._added for token in tokens)
            spans.append(_aligned(parts, guessed) if parts else None)
        return spans

    def _can_pronounce(self, decoder: pocketsphinx.Decoder, token: str) -> bool:
        if any(mark in token for mark in " ()\x00"):
            return False
        if decoder.lookup_word(token) is not None:
            return True
        phones = guess_phones(token)
        if phones:
            decoder.add_word(token, " ".join(phones), update=False)
            self._added.add(token)
        return bool(phones)


def _decode(decoder: pocketsphinx.Decoder, pcm: bytes) -> list[RecognisedWord]:
    # Otherwise cepstral means and noise estimates of the previous recording affect this one.
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return []
    return [
        RecognisedWord(_VARIANT.sub("", part.word), part.start_frame, part.end_frame + 1, part.prob)
        for part in decoder.seg()
        if not _is_filler(part.word)
    ]


def _aligned(parts: Sequence[RecognisedWord], guessed: bool) -> AlignedWord:
    hop_s = _ALIGNMENT_HOP_SAMPLES / SAMPLE_RATE_HZ
    return AlignedWord(parts[0].start_frame * hop_s, parts[-1].end_frame * hop_s, guessed)


def _is_filler(word: str) -> bool:
    return word.startswith(("<", "[", "++"))


_decoder: PocketSphinxDecoder | None = None


def start_worker() -> None:
    """Initialise a worker process."""
    global _decoder  # noqa: PLW0603 - a process pool gives its initialiser no other place
    for sent_by_terminal in (signal.SIGINT, signal.SIGHUP):
        signal.signal(sent_by_terminal, signal.SIG_IGN)
    _decoder = PocketSphinxDecoder()


def recognise(pcm: bytes) -> list[RecognisedWord]:
    """`PocketSphinxDecoder.recognise` of this process."""
    return _started().recognise(pcm)


def align(pcm: bytes, words: Sequence[tuple[str, ...]]) -> list[AlignedWord | None] | None:
    """`PocketSphinxDecoder.align` of this process."""
    return _started().align(pcm, words)


def _started() -> PocketSphinxDecoder:
    if _decoder is None:
        raise RuntimeError("start_worker() has not run in this process")
    return _decoder
