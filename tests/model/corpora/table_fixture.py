"""Tables of generated recordings, with words and times."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.builders import encode, noise, tone

WORDS = json.dumps([{"word": "good", "start": 0.3, "end": 0.6}, {"word": "morning", "start": 0.6, "end": 1.1}])
LABELS = ("calm-ish", "keen")


def write_recording(folder: Path, name: str, label: str, seed: int) -> str:
    """Write a recording of 1.4 s, whose sound depends on its label, and return its name."""
    samples = noise(1.4, seed) + (tone(1.4, 300.0 + seed) if label == LABELS[1] else 0.0)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(0.5 * samples))
    return name


def make_rows(folder: Path, speakers: int = 4, each: int = 2) -> list[dict[str, Any]]:
    """Rows with words of some speakers, of every label the same number, with their recordings."""
    rows = []
    for speaker in range(speakers):
        for number in range(each * len(LABELS)):
            label = LABELS[number % len(LABELS)]
            file = write_recording(folder, f"clips/{speaker}-{number}.wav", label, 100 * speaker + number)
            rows.append({"file": file, "label": label, "speaker": f"voice {speaker}", "words": WORDS})
    return rows


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], delimiter: str = ",") -> Path:
    """Write a table with the columns of the first row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path
