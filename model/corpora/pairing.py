"""Which text goes on which sound, and to which session: the text side of the composite corpus."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.corpora.goemotions import LabelledText
from model.corpora.ravdess import Take

EMOTIONS: Final = ("ang", "hap", "sad", "sur")
PAIRS: Final = "pairs.tsv"
"""Beside the corpus: what carries each sentence's label."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which text goes on which kind of sound.

    Attributes:
        text: with its own label.
        sound_label: label of the takes that carry it.
    """

    text: LabelledText
    sound_label: str

    @property
    def label(self) -> str:
        """The label of the pair: that of the side which is not neutral."""
        return self.text.label if self.sound_label == "neu" else self.sound_label

    @property
    def kind(self) -> str:
        """What carries the label: "both", "text" or "sound"."""
        if self.text.label == self.sound_label:
            return "both"
        return "text" if self.sound_label == "neu" else "sound"


def pair_texts(
    texts: dict[str, list[LabelledText]], per_label: int, neutral_share: float, rng: np.random.Generator
) -> Iterator[Pairing]:
    """Pairings of one session, the same number for every label.

    Args:
        texts: the session's texts by label.
        per_label: pairings of each label.
        neutral_share: share of a label's pairings in which one side is neutral, half of them the text.
        rng: shuffles.
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
    """Texts by session and label; each text in one session, each session with its share of every label."""
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
    """Actors by session, two each: Session1 has the first two."""
    actors = sorted({take.actor for take in takes})
    return [actors[first : first + 2] for first in range(0, len(actors), 2)]
