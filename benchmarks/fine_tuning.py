"""Fine-tuning compared with training from scratch, on speakers that the initial weights never met.

    python -m benchmarks.fine_tuning --ravdess RAVDESS --nemo NEMO --out runs/fine-tuning
    python -m benchmarks.fine_tuning --ravdess RAVDESS --run runs/starter --out runs/fine-tuning

The shipped bundles were trained on RAVDESS: a comparison that begins with them would test on training speakers.

1. With `--nemo`, the initial weights are trained on nEMO alone (Polish, without words): neither the speakers nor the
   recordings nor the language are those of RAVDESS. Four actors train, two stop training, the others test; three
   disjoint sets of actors. Both trainings have the same settings.
2. With `--run`, the initial weights are those of folds of `starter` (`--fold-bundles`), each trained without the two
   actors of its session: one of them trains, the other tests, under labels of another name, so that the heads are new.
   Speakers are unheard, but studio and sentences are those of the initial training, which favours fine-tuning.
"""

import csv
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.progress import track

from alignment.audio import decode_audio
from alignment.errors import AlignmentError
from alignment.level import normalise_level
from alignment.speech.voice_activity import VoiceActivityDetector
from model.corpora.nemo import ForeignTake, read_nemo
from model.corpora.pairing import CLIP, read_sentences
from model.corpora.ravdess import Take, read_ravdess
from model.report.comparison import corrected_difference
from model.scores import EMOTION_NAMES

_PART_S: Final = 0.4
_SETS: Final = 3
_TRAINED, _VALIDATED = 4, 2
_SCRATCH: Final = ("--recipe", "starter", "--embeddings", "random", "--set", "network.embedding_dim=100")
_STOP: Final = ("--set", "training.patience=8", "--max-epochs", "40", "--set", "training.schedule=constant")
_OWN: Final = "my "


def write_nemo_table(takes: Sequence[ForeignTake], path: Path) -> None:
    """Table of clips without known words: the spoken stretch in equal parts of about 0.4 s."""
    detector = VoiceActivityDetector()
    with ThreadPoolExecutor(2) as pool:
        words = list(track(pool.map(lambda take: _cut(take, detector), takes), "speech", len(takes)))
    rows = [
        (take.path.resolve(), EMOTION_NAMES[take.label], take.speaker, json.dumps(own))
        for take, own in zip(takes, words, strict=True)
        if own
    ]
    _write(path, ("file", "label", "speaker", "words"), rows)


def _cut(take: ForeignTake, detector: VoiceActivityDetector) -> list[dict[str, Any]]:
    try:
        samples = normalise_level(decode_audio(take.path).samples)
    except AlignmentError:
        return []
    segments = detector.detect(samples)
    if not segments:
        return []
    start_s, end_s = segments[0].start_s + 0.1, segments[-1].end_s - 0.1
    edges = np.linspace(start_s, end_s, max(1, round((end_s - start_s) / _PART_S)) + 1).round(4)
    return [
        {"word": "", "start": first, "end": last}
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]


def write_few_speakers(takes: Sequence[Take], folder: Path) -> list[Path]:
    """One table per set of few training actors."""
    paths = []
    for number in range(_SETS):
        first = 1 + number * (_TRAINED + _VALIDATED)
        rows = [
            (take.path.resolve(), EMOTION_NAMES[take.label], take.speaker, take.sentence, _part(take.actor - first))
            for take in takes
        ]
        paths.append(folder / f"ravdess-few-{number + 1}.csv")
        _write(paths[-1], ("file", "label", "speaker", "text", "split"), rows)
    return paths


def _part(place: int) -> str:
    if 0 <= place < _TRAINED:
        return "train"
    return "validation" if _TRAINED <= place < _TRAINED + _VALIDATED else "test"


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def train(folder: Path, name: str, table: Path, options: Sequence[str]) -> dict[str, Any]:
    """Run `model.train`, unless the bundle exists, and return its metrics.json."""
    out = folder / name
    if not out.is_dir():
        command = [sys.executable, "-m", "model.train", "--corpus", "table", "--table", str(table), "--out", str(out)]
        command += ["--runs", str(folder / "runs"), "--cache", str(folder / "cache"), *options]
        command += ["--trained-on", table.stem, "--licence", "CC-BY-NC-SA-4.0"]
        subprocess.run(command, check=True, env=dict(os.environ))
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return metrics


def _print_comparison(title: str, scratch: Sequence[float], tuned: Sequence[float], test_share: float) -> None:
    difference = corrected_difference(tuned, scratch, test_share)
    typer.echo(
        f"{title}: UA from scratch {_list(scratch)}, fine-tuned {_list(tuned)}; difference {difference.mean:+.3f}, "
        f"95 % {difference.low:+.3f} to {difference.high:+.3f}"
    )


def _list(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})"


def _ua(metrics: dict[str, Any]) -> list[float]:
    values: list[float] = metrics["cross_validation"]["heads"]["both (Eq. 15)"]["ua"]
    return values


def compare_foreign(takes: Sequence[Take], nemo: Path, every: int, out: Path) -> None:
    """Comparison 1."""
    table = out / "nemo.csv"
    if not table.is_file():
        write_nemo_table(read_nemo(nemo)[::every], table)
    train(out, "nemo", table, (*_SCRATCH, "--skip-cv", "--max-epochs", "8"))
    tables = write_few_speakers(takes, out)
    tuning = ("--init", str(out / "nemo"), "--recipe", "starter")
    scratch = [value for path in tables for value in _ua(train(out, f"{path.stem}-scratch", path, (*_SCRATCH, *_STOP)))]
    tuned = [value for path in tables for value in _ua(train(out, f"{path.stem}-tuned", path, (*tuning, *_STOP)))]
    _print_comparison("weights of nEMO alone, four training actors", scratch, tuned, 14 / 4)


def compare_unheard(takes: Sequence[Take], run: Path, composite: Path, sessions: int, out: Path) -> None:
    """Comparison 2."""
    scratch, tuned = [], []
    for session, (trained, tested) in sorted(actors_by_session(composite).items())[:sessions]:
        path = out / f"{session}.csv"
        parts = {trained: "train", tested: "test"}
        rows = [
            (take.path.resolve(), _OWN + EMOTION_NAMES[take.label], take.speaker, take.sentence, parts[take.speaker])
            for take in takes
            if take.speaker in parts
        ]
        _write(path, ("file", "label", "speaker", "text", "split"), rows)
        scratch += _ua(train(out, f"{session}-scratch", path, (*_SCRATCH, *_STOP)))
        tuned += _ua(train(out, f"{session}-tuned", path, ("--init", str(run / session / "bundle"))))
    _print_comparison("weights of folds of starter, one training actor", scratch, tuned, 1.0)


def actors_by_session(composite: Path) -> dict[str, list[str]]:
    """Actors of the clips of each session of a composite corpus."""
    actors: dict[str, set[str]] = defaultdict(set)
    for name, sentence in read_sentences(composite).items():
        if sentence.source == CLIP:
            actors[name[:5]].add(sentence.speaker)
    return {session: sorted(own) for session, own in actors.items()}


def main(
    ravdess: Annotated[Path, typer.Option(help="Folder with Actor_01, Actor_02, …")],
    out: Annotated[Path, typer.Option(help="Folder of tables, runs and bundles; resumed if it exists")],
    nemo: Annotated[Path | None, typer.Option(help="Folder with data.tsv and clips, for the first comparison")] = None,
    every: Annotated[int, typer.Option(min=1, help="Every how many clips of nEMO are used")] = 3,
    run: Annotated[Path | None, typer.Option(help="Run of starter with bundles of its folds, for the second")] = None,
    composite: Annotated[Path, typer.Option(help="Corpus of that run")] = Path("runs/composite"),
    sessions: Annotated[int, typer.Option(min=2, help="Sessions of the second comparison")] = 5,
) -> None:
    """Train from scratch and fine-tune on the same data, and print both UA."""
    out.mkdir(parents=True, exist_ok=True)
    takes = read_ravdess(ravdess)
    if nemo is not None:
        compare_foreign(takes, nemo, every, out)
    if run is not None:
        compare_unheard(takes, run, composite, sessions, out)


if __name__ == "__main__":
    typer.run(main)
