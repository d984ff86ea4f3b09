"""Fine-tuning compared with training from scratch, on speakers and recordings that the initial weights never met.

    python -m benchmarks.fine_tuning --ravdess RAVDESS --nemo NEMO --out runs/fine-tuning

The shipped bundles were trained on RAVDESS, so that a comparison on RAVDESS that begins with them would test on
training speakers. Here the initial weights are trained on nEMO alone (Polish, other speakers, no words), then
fine-tuned on RAVDESS. Both trainings have the same folds, network and features, and stop early on the same speakers.

1. "few speakers": four training actors, two for validation, the others test; three disjoint sets of actors.
2. "folds by speaker": the first folds of ten over all actors.
"""

import csv
import json
import os
import subprocess
import sys
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
from model.corpora.ravdess import Take, read_ravdess
from model.report.comparison import corrected_difference
from model.scores import EMOTION_NAMES

_PART_S: Final = 0.4
_SETS: Final = 3
_TRAINED, _VALIDATED = 4, 2
_SCRATCH: Final = ("--recipe", "starter", "--embeddings", "random", "--set", "network.embedding_dim=100")
_STOP: Final = ("--set", "training.patience=5", "--max-epochs", "20", "--set", "training.schedule=constant")


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


def write_ravdess_tables(takes: Sequence[Take], folder: Path) -> list[Path]:
    """One table without split, and one per set of few training actors."""
    header = ("file", "label", "speaker", "text")
    rows = [(take.path.resolve(), EMOTION_NAMES[take.label], take.speaker, take.sentence) for take in takes]
    paths = [folder / "ravdess.csv"]
    _write(paths[0], header, rows)
    for number in range(_SETS):
        first = 1 + number * (_TRAINED + _VALIDATED)
        parts = [_part(take.actor - first) for take in takes]
        paths.append(folder / f"ravdess-few-{number + 1}.csv")
        _write(paths[-1], (*header, "split"), [(*row, part) for row, part in zip(rows, parts, strict=True)])
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


def main(
    ravdess: Annotated[Path, typer.Option(help="Folder with Actor_01, Actor_02, …")],
    nemo: Annotated[Path, typer.Option(help="Folder with data.tsv and clips")],
    out: Annotated[Path, typer.Option(help="Folder of tables, runs and bundles; resumed if it exists")],
    every: Annotated[int, typer.Option(min=1, help="Every how many clips of nEMO are used")] = 3,
    folds: Annotated[int, typer.Option(min=1, help="Folds by speaker, of ten")] = 3,
) -> None:
    """Train from scratch and fine-tune on the same folds, and print both UA."""
    out.mkdir(parents=True, exist_ok=True)
    table = out / "nemo.csv"
    if not table.is_file():
        write_nemo_table(read_nemo(nemo)[::every], table)
    whole, *few = write_ravdess_tables(read_ravdess(ravdess), out)
    train(out, "nemo", table, (*_SCRATCH, "--skip-cv", "--max-epochs", "8"))
    tuning, limited = ("--init", str(out / "nemo")), ("--limit-folds", str(folds))
    scratch = [value for path in few for value in _ua(train(out, f"{path.stem}-s", path, (*_SCRATCH, *_STOP)))]
    tuned = [value for path in few for value in _ua(train(out, f"{path.stem}-t", path, (*tuning, *_STOP)))]
    _print_comparison("few speakers", scratch, tuned, 14 / 6)
    scratch = _ua(train(out, "ravdess-s", whole, (*_SCRATCH, *_STOP, *limited)))
    tuned = _ua(train(out, "ravdess-t", whole, (*tuning, *_STOP, *limited)))
    _print_comparison("folds by speaker", scratch, tuned, 1 / 9)


if __name__ == "__main__":
    typer.run(main)
