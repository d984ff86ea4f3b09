"""Word error rate, word times and speed of every aligner that is present, on the same clips.

    python -m benchmarks.recognise
    python -m benchmarks.recognise --ravdess RAVDESS --speech FOLDER_WITH_JFK --every 6

The synthetic clips of the tests are always included; their words have true times. WhisperX runs with the models of
--model and --weights, where they are on this machine.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from alignment.aligners.moonshine.aligner import MoonshineAligner
from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from alignment.aligners.protocol import Aligner
from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.locate import find_missing
from alignment.audio import decode_audio
from alignment.errors import NoSpeechError
from alignment.transcripts.normalisation import spoken_words
from alignment.transcripts.words import TimedWord
from model.corpora.ravdess import SENTENCES
from model.corpora.word_errors import count_errors

_SYNTHETIC: Final = Path(__file__).parent.parent / "tests" / "fixtures" / "speech"
_JFK: Final = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
console = Console(width=120)


@dataclass(frozen=True, slots=True)
class Clip:
    """Recording with its words and, where they are known, their starts in seconds."""

    path: Path
    words: tuple[str, ...]
    starts_s: tuple[float | None, ...] = ()


@dataclass(slots=True)
class Result:
    """Sums over the clips of one set."""

    errors: int = 0
    words: int = 0
    spent_s: list[float] = field(default_factory=list)
    deviations_s: list[float] = field(default_factory=list)

    def row(self) -> list[str]:
        """Cells: word error rate, starts within 50 and 100 ms, milliseconds per clip."""
        deviations = np.abs(self.deviations_s)
        within = [f"{np.mean(deviations <= limit_s):.3f}" if len(deviations) else "" for limit_s in (0.05, 0.1)]
        return [f"{self.errors / self.words:.4f}", *within, f"{1_000 * np.mean(self.spent_s):.0f}"]


def synthetic_clips() -> list[Clip]:
    """Clips of the tests, spoken by a synthesiser that reports the start of each word."""
    words = json.loads((_SYNTHETIC / "words.json").read_text())
    return [
        Clip(_SYNTHETIC / f"{name}.flac", tuple(w["word"] for w in each), tuple(w["start"] for w in each))
        for name, each in words.items()
    ]


def ravdess_clips(root: Path) -> list[Clip]:
    """All speech clips of RAVDESS, in all emotions, in the order of their names."""
    paths = [path for path in sorted(root.glob("Actor_*/03-01-*")) if path.suffix in {".flac", ".wav"}]
    return [Clip(path, tuple(SENTENCES[path.stem.split("-")[4]].split())) for path in paths]


def speech_clips(folder: Path) -> list[Clip]:
    """The clip of natural speech in a folder."""
    return [Clip(folder / "jfk.flac", tuple(_JFK.split()))]


def measure(aligner: Aligner, clip: Clip, result: Result) -> None:
    """Recognise a clip and add it to a result."""
    waveform = decode_audio(clip.path.read_bytes())
    started = time.perf_counter()
    try:
        words = [word for each in aligner.recognise(waveform).utterances for word in each.words]
    except NoSpeechError:
        words = []
    result.spent_s.append(time.perf_counter() - started)
    result.errors += count_errors(clip.words, [spoken for word in words for spoken in spoken_words(word.word)])
    result.words += len(clip.words)
    result.deviations_s += start_deviations_s(clip, words)


def start_deviations_s(clip: Clip, words: Sequence[TimedWord]) -> list[float]:
    """Start minus true start of the words of a clip that were recognised in their place."""
    spoken = [
        (key, word.start_s if not at else None) for word in words for at, key in enumerate(spoken_words(word.word))
    ]
    if [key for key, _ in spoken] != list(clip.words):
        return []
    pairs = zip((start_s for _, start_s in spoken), clip.starts_s, strict=False)
    return [start_s - true_s for start_s, true_s in pairs if start_s is not None and true_s is not None]


def main(
    ravdess: Annotated[Path | None, typer.Option(help="Folder with Actor_01, Actor_02, …")] = None,
    speech: Annotated[Path | None, typer.Option(help="Folder with jfk.flac.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Use every n-th clip of RAVDESS.")] = 6,
    model: Annotated[str, typer.Option(help="Whisper model: a folder or a name.")] = "small.en",
    weights: Annotated[str, typer.Option(help="Folder filled by can-ser fetch.")] = "",
) -> None:
    """Print a table of word error rates, word times and speed."""
    sets = {"synthetic": synthetic_clips()}
    if speech:
        sets["jfk.flac"] = speech_clips(speech)
    if ravdess:
        sets["RAVDESS"] = ravdess_clips(ravdess)[::every]
    aligners = open_aligners(WhisperXConfig(model=model, weights=weights))
    columns = ("clips", "number", "aligner", "word error rate", "starts within 50 ms", "100 ms", "ms per clip")
    table = Table(*columns, box=None)
    for name, clips in sets.items():
        results = {aligner.info.name: Result() for aligner in aligners}
        for clip in track(clips, name, console=console):
            # In turn, so that other load of the machine affects all.
            for aligner in aligners:
                measure(aligner, clip, results[aligner.info.name])
        for aligner_name, result in results.items():
            table.add_row(name, str(len(clips)), aligner_name, *result.row())
    for aligner in aligners:
        aligner.close()
    console.print(table)


def open_aligners(whisperx: WhisperXConfig) -> list[Aligner]:
    """All aligners that can run, each with its models loaded."""
    aligners: list[Aligner] = [MoonshineAligner(1), PocketSphinxAligner(1)]
    missing = find_missing(whisperx)
    if missing is None:
        from alignment.aligners.whisperx.aligner import WhisperXAligner

        aligners.append(WhisperXAligner(whisperx))
    else:
        console.print(f"without WhisperX: {missing.reason}")
    for aligner in aligners:
        aligner.warm_up()
    return aligners


if __name__ == "__main__":
    typer.run(main)
