"""Records of a corpus and its labelled utterances."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alignment.transcripts.words import TimedWord

Style = Literal["improvised", "scripted"]


@dataclass(frozen=True, slots=True)
class CorpusUtterance:
    """One labelled utterance.

    Attributes:
        name: Name, unique in the corpus.
        session: Number of the recording session.
        speaker: Speaker, unique in the corpus; a session has two.
        dialog: Name of the original recording.
        style: Improvised or scripted dialogue.
        label: For example "ang".
        wav: Audio file.
        words: Words timed relative to the wav, with fillers and without control tokens; possibly empty.
        source: Part of a mixed corpus; empty for others.
        span: Start and end in seconds of the utterance in its recording; None for the whole of it.
    """

    name: str
    session: int
    speaker: str
    dialog: str
    style: Style
    label: str
    wav: Path
    words: tuple[TimedWord, ...]
    source: str = ""
    span: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus and the counts of its reader.

    Attributes:
        name: For example "iemocap".
        utterances: Utterances with a requested label, words and audio.
        labelled: Number of utterances with any label.
        by_label: Number of utterances of every label, requested or not.
        without_wdseg: Names of utterances with a requested label and no alignment.
        without_wav: Names of utterances with a requested label and no audio.
        damaged: One line per skipped file.
        sessions: Numbers of the sessions with labelled utterances.
        damaged_evaluations: Number of entries of `damaged` that are evaluations; their labels are unknown.
        labels: Requested labels.
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
    labels: tuple[str, ...]
