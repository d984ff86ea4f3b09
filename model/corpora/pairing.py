"""Pairing of texts with audio, their distribution over sessions, and the table of sentences of the composite corpus."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np

from model.corpora.goemotions import LabelledText
from model.corpora.ravdess import Take
from model.errors import CorpusFileError

EMOTIONS: Final = ("ang", "hap", "sad", "sur", "fea", "dis")
PAIRS: Final = "pairs.tsv"
"""File of the composite corpus with one `Sentence` per line."""
COMPOSITE: Final = "composite"
CLIP: Final = "clip"
FOREIGN: Final = "foreign"
RECORDED_IN: Final = {COMPOSITE: "ravdess", CLIP: "ravdess", FOREIGN: "nemo"}
"""Corpus of the sound of each source."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Origin of a sentence of the composite corpus.

    Attributes:
        name: Name of the sentence.
        kind: Modality that carries the label: "both", "text" or "sound"; always "sound" for a clip.
        text_label: Label of the text; empty for a clip.
        sound_label: Label of the takes.
        speaker: Actor or speaker of the sound.
        source: "composite", "clip" for a published clip, or "foreign" for a clip in a language without words here.
        changed: "changed" for a distorted recording, else "clean".
    """

    name: str
    kind: str
    text_label: str
    sound_label: str
    speaker: str
    source: str
    changed: str


def write_sentences(root: Path, sentences: Iterable[Sentence]) -> None:
    """Write `PAIRS`."""
    with (root / PAIRS).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow([field.name for field in fields(Sentence)])
        writer.writerows(astuple(sentence) for sentence in sentences)


def read_sentences(root: Path) -> dict[str, Sentence]:
    """Sentences of a composite corpus by name; empty for a corpus without `PAIRS`.

    Raises:
        CorpusFileError: The file has other columns, as that of an earlier version.
    """
    path = root / PAIRS
    if not path.is_file():
        return {}
    names = [field.name for field in fields(Sentence)]
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        if reader.fieldnames != names:
            raise CorpusFileError(
                path, 1, f"the columns are {reader.fieldnames}, not {names}; compose the corpus again"
            )
        return {row["name"]: Sentence(**row) for row in reader}


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
        if not texts.get(label):
            continue
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
