"""Pairing of texts with audio, and their distribution over sessions, for the composite corpus."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.corpora.goemotions import LabelledText
from model.corpora.ravdess import Take

EMOTIONS: Final = ("ang", "hap", "sad", "sur", "fea", "dis")
PAIRS: Final = "pairs.tsv"
"""File of the composite corpus with the modality that carries the label of each sentence."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """A text and the emotion of its audio.

    Attributes:
        text: Text with its own label.
        sound_label: Label of the takes that the audio is cut from.
    """

    text: LabelledText
    sound_label: str

    @property
    def label(self) -> str:
        """Label of the pair: the label of the modality that is not neutral."""
        return self.text.label if self.sound_label == "neu" else self.sound_label

    @property
    def kind(self) -> str:
        """Modality that carries the label: "both", "text" or "sound"."""
        if self.text.label == self.sound_label:
            return "both"
        return "text" if self.sound_label == "neu" else "sound"


def pair_texts(
    texts: dict[str, list[LabelledText]], per_label: int, neutral_share: float, rng: np.random.Generator
) -> Iterator[Pairing]:
    """Pairings of one session, the same number for every label.

    Args:
        texts: Texts of the session by label.
        per_label: Pairings per label.
        neutral_share: Share of a label's pairings in which one modality is neutral; in half of these it is the text.
        rng: Random number generator.
    """
    neutral = _endless(texts["neu"], rng)
    for _ in range(per_label):
        yield Pairing(next(neutral), "neu")
    one_sided = round(per_label * neutral_share / 2)
    for label in EMOTIONS:
        own = _endless(texts[label], rng)
        for _ in range(per_label - 2 * one_sided):
            yield Pairing(next(own), label)
        for _ in range(one_sided):
            yield Pairing(next(neutral), label)
        for _ in range(one_sided):
            yield Pairing(next(own), "neu")


def _endless(texts: Sequence[LabelledText], rng: np.random.Generator) -> Iterator[LabelledText]:
    while True:
        for index in rng.permutation(len(texts)):
            yield texts[index]


def split_among(
    texts: Sequence[LabelledText], sessions: int, rng: np.random.Generator
) -> list[dict[str, list[LabelledText]]]:
    """Texts by session and label; each text is in one session, each session has an equal share of every label."""
    by_label: dict[str, list[LabelledText]] = defaultdict(list)
    for text in texts:
        by_label[text.label].append(text)
    shares: list[dict[str, list[LabelledText]]] = [{} for _ in range(sessions)]
    for label, members in sorted(by_label.items()):
        order = rng.permutation(len(members))
        for number, share in enumerate(shares):
            share[label] = [members[index] for index in order[number::sessions]]
    return shares


def pair_actors(takes: Iterable[Take]) -> list[list[int]]:
    """Actors of each session, two each, in order."""
    actors = sorted({take.actor for take in takes})
    return [actors[first : first + 2] for first in range(0, len(actors), 2)]
