"""Recordings that the benchmarks of the service send, and words for them."""

import json
from pathlib import Path
from typing import Final

from alignment.audio import decode_audio

FIXTURES: Final = Path("tests/fixtures/speech")
TEXT: Final = "kids are talking by the door"
"""What half of RAVDESS's clips say; where words are given, only their number matters here."""
GivenWord = dict[str, str | float]


def read_clips(folder: Path, count: int) -> list[bytes]:
    """The first recordings of a folder and its subfolders, spread evenly."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".wav", ".flac"})
    return [path.read_bytes() for path in files[:: max(1, len(files) // count)][:count]]


def spread_words(duration_s: float, start_s: float = 0.0) -> list[GivenWord]:
    """Six words over the middle of so many seconds that begin at `start_s`."""
    words = TEXT.split()
    step_s = 0.6 * duration_s / len(words)
    edges = [start_s + 0.2 * duration_s + step_s * index for index in range(len(words))]
    return [{"word": w, "start": s, "end": s + 0.95 * step_s} for w, s in zip(words, edges, strict=True)]


def given_words(recording: bytes) -> str:
    """The same for a recording, as the request field."""
    return json.dumps(spread_words(decode_audio(recording).duration_s))
