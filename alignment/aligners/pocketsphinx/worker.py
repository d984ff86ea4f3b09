"""PocketSphinx decoders in a worker process: one for recognition, one for forced alignment.

A decoder holds the interpreter lock while it runs (11 s of speech stalled every thread for 3.6 s), so it runs in
separate processes. This module imports nothing that a decoder does not need.
"""

import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from math import log
from typing import Final

import pocketsphinx

from alignment.aligners.pocketsphinx.acoustic_score import AcousticMatch, score_words
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
    """Decoded word.

    Attributes:
        word: Entry of the dictionary.
        start_frame: Frame of 10 ms in recognition.
        end_frame: Frame after the last one.
        probability: Posterior probability.
        log_likelihood: Sum over the frames, relative to the best active phone in each; at most 0.
    """

    word: str
    start_frame: int
    end_frame: int
    probability: float
    log_likelihood: float


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """Times from the start of the audio.

    Attributes:
        start_s: Start in seconds.
        end_s: End in seconds.
        guessed: Whether the pronunciation comes from letter-to-sound rules.
        score: About the probability that the word is said there; see `acoustic_score`.
    """

    start_s: Seconds
    end_s: Seconds
    guessed: bool
    score: float


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
        """Word times and scores from the frames of spoken words."""
        parts = _group(decoded, [len(tokens) for tokens in spoken])
        scores = iter(score_words([_match(each) for each in parts if each]))
        return [
            _aligned(each, any(token in self._added for token in tokens), next(scores)) if each else None
            for tokens, each in zip(spoken, parts, strict=True)
        ]

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
        RecognisedWord(
            _VARIANT.sub("", part.word),
            part.start_frame,
            part.end_frame + 1,
            part.prob,
            log(max(part.ascore, sys.float_info.min)),
        )
        for part in decoder.seg()
        if not _is_filler(part.word)
    ]


def _group(decoded: Sequence[RecognisedWord], counts: Sequence[int]) -> list[Sequence[RecognisedWord]]:
    """The spoken words of each written word, whose numbers are given."""
    ends = list(accumulate(counts))
    return [decoded[end - count : end] for end, count in zip(ends, counts, strict=True)]


def _match(parts: Sequence[RecognisedWord]) -> AcousticMatch:
    frames = sum(part.end_frame - part.start_frame for part in parts)
    return AcousticMatch(sum(part.log_likelihood for part in parts), frames)


def _aligned(parts: Sequence[RecognisedWord], guessed: bool, score: float) -> AlignedWord:
    hop_s = _ALIGNMENT_HOP_SAMPLES / SAMPLE_RATE_HZ
    return AlignedWord(parts[0].start_frame * hop_s, parts[-1].end_frame * hop_s, guessed, score)


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
