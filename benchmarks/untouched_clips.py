"""Accuracy of the starter bundle on the published RAVDESS clips of held-out actors.

    python -m benchmarks.untouched_clips --ravdess DIR

Each clip is processed as by the service (decoding, Moonshine, MFCC, ONNX Runtime) with the bundle of the fold that
held out its actor, once with recognised words and once with the given sentence. Refused clips count as wrong. The
figures are written to metrics.json and MODEL_CARD.md of the bundle.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.progress import track
from sklearn.metrics import confusion_matrix

from alignment.aligners.moonshine.aligner import MoonshineAligner
from alignment.errors import AlignmentError
from model.bundle import CONFIG, METRICS, read_config
from model.corpora.pairing import PAIRS
from model.corpora.ravdess import Take, read_ravdess
from model.export.packaging import write_metrics
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.settings import Settings

REFUSED: Final = -1


def predict(engine: EmotionEngine, take: Take, request: AnalysisRequest) -> int:
    """Index of the predicted emotion, or REFUSED."""
    try:
        analysis = engine.analyse(take.path.read_bytes(), request)
    except AlignmentError:
        return REFUSED
    return int(analysis.probabilities.argmax())


def sessions_of_actors(pairs: Path) -> dict[int, str]:
    """Session of the takes of each actor, e.g. "Ses03"."""
    with pairs.open(encoding="utf-8", newline="") as file:
        return {int(row["actor"]): row["name"][:5] for row in csv.DictReader(file, delimiter="\t")}


def check_fold(folder: Path, expected: object) -> None:
    """Refuse the bundle of another experiment.

    Raises:
        typer.BadParameter: The fold is missing, or was trained with other settings than the bundle to complete.
    """
    try:
        figures = json.loads((folder / METRICS).read_text(encoding="utf-8"))["cross_validation"]
    except FileNotFoundError as exc:
        raise typer.BadParameter(f"{folder} holds no bundle; train with --fold-bundles", param_hint="--run") from exc
    if figures["experiment"] != expected:
        raise typer.BadParameter(f"{folder} was trained with other settings than --bundle", param_hint="--run")


def predict_all(
    takes: Sequence[Take], folds: dict[int, Path], aligner: MoonshineAligner
) -> Iterator[tuple[Take, int, int]]:
    """Each take with the predictions for recognised and for given words, by the bundle that held out its actor."""
    for bundle in sorted(set(folds.values())):
        engine = EmotionEngine(Settings(bundle=str(bundle)), aligner=aligner)
        own = [take for take in takes if folds[take.actor] == bundle]
        with ThreadPoolExecutor(2) as pool:
            recognised = pool.map(lambda take, e=engine: predict(e, take, AnalysisRequest()), own)
            given = pool.map(lambda take, e=engine: predict(e, take, AnalysisRequest(transcript=take.sentence)), own)
            yield from zip(own, recognised, given, strict=True)


def summarise(true: Sequence[int], predicted: Sequence[int], labels: Sequence[str]) -> dict[str, Any]:
    """Metrics of one source of words; refused clips count as wrong."""
    correct = np.array(true) == np.array(predicted)
    recalls = [correct[np.array(true) == index].mean() for index in range(len(labels))]
    return {
        "wa": float(correct.mean()),
        "ua": float(np.mean(recalls)),
        "refused": sum(index == REFUSED for index in predicted),
        "confusion": confusion_matrix(true, predicted, labels=range(len(labels))).tolist(),
    }


def main(
    ravdess: Annotated[Path, typer.Option(help="Folder with Actor_01, Actor_02, …")],
    root: Annotated[Path, typer.Option(help="Composite corpus.")] = Path("runs/composite"),
    run: Annotated[Path, typer.Option(help="Run of model.train with --fold-bundles.")] = Path("runs/starter"),
    bundle: Annotated[Path, typer.Option(help="Bundle to complete: metrics.json and card.")] = Path(
        "model/bundles/starter"
    ),
) -> None:
    """Measure the accuracy and write it to the bundle."""
    takes, config = read_ravdess(ravdess), read_config(bundle / CONFIG)
    metrics = json.loads((bundle / METRICS).read_text(encoding="utf-8"))
    sessions = sessions_of_actors(root / PAIRS)
    takes = [take for take in takes if take.actor in sessions]
    folds = {actor: run / session / "bundle" for actor, session in sessions.items()}
    for fold in set(folds.values()):
        check_fold(fold, metrics["cross_validation"]["experiment"])
    aligner = MoonshineAligner(2)
    try:
        rows = list(track(predict_all(takes, folds, aligner), "clips", len(takes)))
    finally:
        aligner.close()
    true = [config.labels.index(take.label) for take, _, _ in rows]
    by_words = {
        "recognised words": summarise(true, [recognised for _, recognised, _ in rows], config.labels),
        "given transcript": summarise(true, [given for _, _, given in rows], config.labels),
    }
    metrics["untouched_clips"] = {
        "clips": len(rows),
        "command": "python -m benchmarks.untouched_clips --ravdess DIR",
        "labels": list(config.labels),
        "by_words": by_words,
    }
    write_metrics(bundle, config, metrics)
    for words, row in by_words.items():
        print(f"{words}: WA {row['wa']:.3f}, UA {row['ua']:.3f}, {row['refused']} of {len(rows)} refused")


if __name__ == "__main__":
    typer.run(main)
