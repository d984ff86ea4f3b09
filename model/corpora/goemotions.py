"""GoEmotions: labelled Reddit comments.

Source: Demszky et al. 2020, "GoEmotions: A Dataset of Fine-Grained Emotions", ACL. Apache-2.0.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alignment.transcripts.normalisation import spoken_words
from model.errors import CorpusFileError, CorpusMissingError

LABELS: Final = {
    "anger": "ang",
    "annoyance": "ang",
    "joy": "hap",
    "amusement": "hap",
    "excitement": "hap",
    "sadness": "sad",
    "disappointment": "sad",
    "grief": "sad",
    "remorse": "sad",
    "surprise": "sur",
    "fear": "fea",
    "nervousness": "fea",
    "disgust": "dis",
    "neutral": "neu",
}
"""IEMOCAP label of each GoEmotions class that is used; comments of other classes are excluded."""

_SPLITS: Final = ("train", "dev", "test")
_MASK: Final = re.compile(r"\[(NAME|RELIGION)\]")


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A comment as spoken text: normalised words without punctuation or emoji."""

    words: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment and all classes chosen by the raters.

    Attributes:
        words: Normalised words without masks.
        classes: Indices into labels.txt.
        masked: Whether a name or a religion was masked, so that words are missing.
    """

    words: tuple[str, ...]
    classes: tuple[int, ...]
    masked: bool


def read_goemotions(root: Path, shortest: int = 2, longest: int = 14) -> list[LabelledText]:
    """Comments with a single label of `LABELS` and no masked word, each wording once.

    Args:
        root: Folder with labels.txt, train.tsv, dev.tsv and test.tsv.
        shortest: Minimum number of words.
        longest: Maximum number of words.

    Raises:
        CorpusMissingError: A file does not exist.
        CorpusFileError: A line does not have three tab-separated fields, or has an unknown label.
    """
    names = _class_names(root)
    texts: dict[tuple[str, ...], LabelledText] = {}
    for comment in read_comments(root):
        label = LABELS.get(names[comment.classes[0]])
        if label and not comment.masked and len(comment.classes) == 1 and shortest <= len(comment.words) <= longest:
            texts[comment.words] = LabelledText(comment.words, label)
    return list(texts.values())


def read_comments(root: Path) -> list[Comment]:
    """All comments of train, dev and test, in this order.

    Raises:
        CorpusMissingError, CorpusFileError: See `read_goemotions`.
    """
    count = len(_class_names(root))
    return [comment for split in _SPLITS for comment in _read_split(root / f"{split}.tsv", count)]


def _class_names(root: Path) -> list[str]:
    for name in ("labels.txt", *(f"{split}.tsv" for split in _SPLITS)):
        if not (root / name).is_file():
            raise CorpusMissingError(root, f"GoEmotions {name}", "--goemotions")
    return (root / "labels.txt").read_text(encoding="utf-8").split()


def _read_split(path: Path, class_count: int) -> Iterator[Comment]:
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line:
            continue
        fields = line.split("\t")
        if len(fields) != 3:
            raise CorpusFileError(path, number, f"{len(fields)} tab-separated fields, expected 3")
        indices = fields[1].split(",")
        if not all(index.isdecimal() and int(index) < class_count for index in indices):
            raise CorpusFileError(path, number, f"unknown label {fields[1]!r}")
        text, masks = _MASK.subn(" ", fields[0])
        words = tuple(word for written in text.split() for word in spoken_words(written))
        yield Comment(words, tuple(int(index) for index in indices), masked=masks > 0)
