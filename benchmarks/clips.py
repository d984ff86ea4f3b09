"""Recordings for the benchmarks of the service, and words for them."""

import json
from pathlib import Path
from typing import Final

from alignment.audio import decode_audio

FIXTURES: Final = Path("tests/fixtures/speech")
TEXT: Final = "kids are talking by the door"
"""Sentence of half of the RAVDESS clips; where words are given, only their number matters here."""
GivenWord = dict[str, str | float]


def find_clips(folder: Path, count: int) -> list[Path]:
    """At most `count` recordings of a folder and its subfolders, spread evenly."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".wav", ".flac"})
    return files[:: max(1, len(files) // count)][:count]


def read_clips(folder: Path, count: int) -> list[bytes]:
    """Content of the recordings of `find_clips`."""
    return [path.read_bytes() for path in find_clips(folder, count)]


def spread_words(duration_s: float, start_s: float = 0.0) -> list[GivenWord]:
    """Six words in the middle of a span that begins at `start_s`."""
    words = TEXT.split()
    step_s = 0.6 * duration_s / len(words)
    edges = [start_s + 0.2 * duration_s + step_s * index for index in range(len(words))]
    return [{"word": w, "start": s, "end": s + 0.95 * step_s} for w, s in zip(words, edges, strict=True)]


def given_words(recording: bytes) -> str:
    """Six words of a recording, as the value of the request field."""
    return json.dumps(spread_words(decode_audio(recording).duration_s))
