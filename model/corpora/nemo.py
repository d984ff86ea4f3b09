"""nEMO: acted Polish sentences in six emotions.

Source: Christop 2024, "nEMO: Dataset of Emotional Speech in Polish", LREC-COLING, pages 12111-12116. CC BY-NC-SA 4.0.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.errors import CorpusFileError, CorpusMissingError

LABELS: Final = {
    "anger": "ang",
    "happiness": "hap",
    "sadness": "sad",
    "surprised": "sur",
    "fear": "fea",
    "neutral": "neu",
}
_TABLE: Final = "data.tsv"
_SUFFIXES: Final = (".wav", ".ogg", ".flac")


@dataclass(frozen=True, slots=True)
class ForeignTake:
    """Clip in a language of which no aligner here knows the words.

    Attributes:
        path: Audio file.
        speaker: Speaker.
        gender: F or M.
        label: For example "ang".
    """

    path: Path
    speaker: str
    gender: str
    label: str


def read_nemo(root: Path) -> list[ForeignTake]:
    """Clips of data.tsv in their order; wav as published, or compressed.

    Raises:
        CorpusMissingError: The folder holds no data.tsv.
        CorpusFileError: A line has an unknown emotion, or its clip is missing.
    """
    table = root / _TABLE
    if not table.is_file():
        raise CorpusMissingError(root, _TABLE, "--nemo")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [_take(root, table, number, row) for number, row in enumerate(rows, start=2)]


def _take(root: Path, table: Path, number: int, row: dict[str, str]) -> ForeignTake:
    label = LABELS.get(row["emotion"])
    named = root / row["file_id"]
    path = next((file for suffix in _SUFFIXES if (file := named.with_suffix(suffix)).is_file()), None)
    if label is None or path is None:
        reason = f"{named.name} does not exist" if label else f"unknown emotion {row['emotion']!r}"
        raise CorpusFileError(table, number, reason)
    return ForeignTake(path, row["speaker_id"].strip(), row["gender"][0].upper(), label)
