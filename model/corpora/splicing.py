"""Cutting of takes at their words and recombination of the pieces, for the composite corpus."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.protocol import Aligner
from alignment.audio import decode_audio
from alignment.level import normalise_level
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.timing import FRAME_SAMPLES, seconds_to_frames
from model.corpora.nemo import ForeignTake
from model.corpora.ravdess import Take

TakeT = TypeVar("TakeT", Take, ForeignTake)
_MARGIN_FRAMES: Final = 20
_PART_FRAMES: Final = 40
_RUN_CONTINUES: Final = 0.75
_FADE_SAMPLES: Final = 32


@dataclass(frozen=True, slots=True, eq=False)
class WordPiece:
    """Audio of one word of a take, a whole number of 10 ms frames, and the word's position in the sentence."""

    samples: NDArray[np.float32]
    position: int


@dataclass(frozen=True, slots=True, eq=False)
class CutTake(Generic[TakeT]):
    """A take cut at its words, or into equal parts (`aligned` is false), with the silence before and after them."""

    take: TakeT
    before: NDArray[np.float32]
    pieces: tuple[WordPiece, ...]
    after: NDArray[np.float32]
    aligned: bool = True


def cut_take(take: Take, aligner: Aligner) -> CutTake[Take] | None:
    """Cut a take at its words; return None if it cannot be aligned word by word.

    Raises:
        AlignmentError: The clip cannot be read or contains no speech.
    """
    waveform = decode_audio(take.path.read_bytes())
    transcript = aligner.align(waveform, take.sentence)
    words = [word for utterance in transcript.utterances for word in utterance.words]
    if any(word.timing != "aligned" for word in words):
        return None
    # A pause inside the sentence belongs to the preceding word.
    edges = [seconds_to_frames(word.start_s) for word in words] + [seconds_to_frames(words[-1].end_s)]
    cut = _cut_at(take, normalise_level(waveform.samples), edges)
    if any(len(piece.samples) < 3 * FRAME_SAMPLES or len(piece.samples) % FRAME_SAMPLES for piece in cut.pieces):
        return None
    return cut


def cut_equally(take: TakeT, detector: VoiceActivityDetector, count: int | None = None) -> CutTake[TakeT] | None:
    """Cut the spoken stretch of a take into equal parts; return None if it contains no speech.

    Args:
        take: A take whose words are unknown or cannot be aligned.
        detector: Finds the spoken stretch.
        count: Number of parts; None for parts of about 0.4 s, the length of a word in slow speech.

    Raises:
        AlignmentError: The clip cannot be read.
    """
    samples = normalise_level(decode_audio(take.path.read_bytes()).samples)
    segments = detector.detect(samples)
    if not segments:
        return None
    # Segments of the detector include a margin, where the recording has one.
    whole = len(samples) // FRAME_SAMPLES
    first, last = seconds_to_frames(segments[0].start_s), min(seconds_to_frames(segments[-1].end_s), whole)
    margin = min(_MARGIN_FRAMES, (last - first) // 4)
    first, last = first + margin, last - margin
    parts = count or max(1, round((last - first) / _PART_FRAMES))
    edges = [first + (last - first) * part // parts for part in range(parts + 1)]
    return replace(_cut_at(take, samples, edges), aligned=False)


def _cut_at(take: TakeT, samples: NDArray[np.float32], edges: Sequence[int]) -> CutTake[TakeT]:
    """Cut between frames, with a margin before the first and after the last edge."""

    def between(first: int, last: int) -> NDArray[np.float32]:
        return samples[max(0, first) * FRAME_SAMPLES : last * FRAME_SAMPLES]

    pieces = tuple(WordPiece(between(a, b), index) for index, (a, b) in enumerate(pairwise(edges)))
    before = between(edges[0] - _MARGIN_FRAMES, edges[0])
    after = between(edges[-1], edges[-1] + _MARGIN_FRAMES)
    return CutTake(take, before, pieces, after[: len(after) // FRAME_SAMPLES * FRAME_SAMPLES])


def assemble(takes: Sequence[CutTake[Take]], count: int, rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """Silence, the audio of `count` words and silence, in runs of consecutive words of the takes.

    Args:
        takes: Takes of one actor and one emotion.
        count: Number of words.
        rng: Random number generator, for the takes and the ends of the runs.
    """
    current = takes[int(rng.integers(len(takes)))]
    position = 0
    parts = [current.before]
    while len(parts) <= count:
        parts.append(current.pieces[position].samples)
        position += 1
        if position == len(current.pieces) or rng.random() > _RUN_CONTINUES:
            current = takes[int(rng.integers(len(takes)))]
            position = 0 if position == len(current.pieces) else int(rng.integers(len(current.pieces)))
    parts.append(current.after)
    return parts


def join(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Concatenate audio, with a fade of 2 ms on both sides of each joint to avoid clicks."""
    ramp = np.linspace(0.0, 1.0, _FADE_SAMPLES, dtype=np.float32)
    faded = []
    for part in parts:
        part = part.copy()
        if len(part) >= 2 * _FADE_SAMPLES:
            part[:_FADE_SAMPLES] *= ramp
            part[-_FADE_SAMPLES:] *= ramp[::-1]
        faded.append(part)
    return np.concatenate(faded)
