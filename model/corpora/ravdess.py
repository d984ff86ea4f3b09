"""RAVDESS: two sentences, spoken by professional actors in eight emotions.

Source: Livingstone and Russo 2018, PLoS ONE 13(5): e0196391. CC BY-NC-SA 4.0.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.errors import CorpusMissingError

SENTENCES: Final = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}
LABELS: Final = {"01": "neu", "02": "neu", "03": "hap", "04": "sad", "05": "ang", "06": "fea", "07": "dis", "08": "sur"}
"""Calm is mapped to neutral."""

_NAME: Final = re.compile(
    r"03-01-(?P<emotion>0[1-8])-(?P<intensity>0[12])-(?P<sentence>0[12])-(?P<take>0[12])-(?P<actor>\d\d)"
)


@dataclass(frozen=True, slots=True)
class Take:
    """One clip of an actor, a sentence and an emotion."""

    path: Path
    actor: int
    label: str
    sentence: str

    @property
    def speaker(self) -> str:
        """Number of the actor."""
        return str(self.actor)

    @property
    def gender(self) -> str:
        """F or M; odd actors are male."""
        return "M" if self.actor % 2 else "F"


def read_ravdess(root: Path) -> list[Take]:
    """Speech clips with a label of `LABELS`, wav or flac, sorted by actor and name.

    Raises:
        CorpusMissingError: There is no such clip.
    """
    takes = []
    for path in sorted(root.glob("Actor_*/*")):
        match = _NAME.fullmatch(path.stem)
        if match and path.suffix in {".wav", ".flac"} and match["emotion"] in LABELS:
            takes.append(Take(path, int(match["actor"]), LABELS[match["emotion"]], SENTENCES[match["sentence"]]))
    if not takes:
        raise CorpusMissingError(root, "Actor_*/03-01-*.wav (or .flac), the speech clips of RAVDESS", "--ravdess")
    return takes
