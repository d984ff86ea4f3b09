"""A corpus in memory: who says what, where, and how it was labelled."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alignment.transcripts.words import TimedWord

Style = Literal["improvised", "scripted"]


@dataclass(frozen=True, slots=True)
class CorpusUtterance:
    """One labelled sentence.

    Attributes:
        name: unique in the corpus.
        session: number of the recording session.
        speaker: unique in the corpus, a session has two.
        dialog: the recording that it is cut from.
        style: improvised or read from a script.
        label: e.g. "ang".
        wav: the sentence's sound.
        words: timed words relative to the wav; fillers kept, control tokens left out; possibly none.
    """

    name: str
    session: int
    speaker: str
    dialog: str
    style: Style
    label: str
    wav: Path
    words: tuple[TimedWord, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a reader found.

    Attributes:
        name: e.g. "iemocap".
        utterances: those with a wanted label, words and sound.
        labelled: utterances with any label.
        by_label: how many of each label, wanted or not.
        without_wdseg: names of utterances with a wanted label and no alignment.
        without_wav: names of utterances with a wanted label and no sound.
        damaged: one line per file that had to be skipped.
        sessions: numbers of those in which anything is labelled.
        damaged_evaluations: how many of `damaged` are evaluations, without which nobody knows what was labelled.
    """

    name: str
    utterances: tuple[CorpusUtterance, ...]
    labelled: int
    by_label: dict[str, int]
    without_wdseg: tuple[str, ...]
    without_wav: tuple[str, ...]
    damaged: tuple[str, ...]
    sessions: tuple[int, ...]
    damaged_evaluations: int
