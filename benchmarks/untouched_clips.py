"""Accuracy of the starter bundle on the published RAVDESS clips of held-out actors.

    python -m benchmarks.untouched_clips --ravdess DIR

Each clip is processed as by the service (decoding, Moonshine, features, ONNX Runtime) with the bundle of the fold that
held out its actor, once with recognised words and once with the given sentence. Refused clips count as wrong. Besides
all emotions, the metrics over five are reported: on their clips, predicted among them. The figures are written to
metrics.json and MODEL_CARD.md of the bundle.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import track

from alignment.aligners.moonshine.aligner import MoonshineAligner
from benchmarks.held_out import FIVE, Rows, Target, choose, find_folds, measure, score
from model.corpora.pairing import CLIP
from model.corpora.ravdess import Take, read_ravdess
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.settings import Settings


def score_all(
    takes: Sequence[Take], folds: Mapping[str, Path], aligner: MoonshineAligner
) -> Iterator[tuple[Take, Rows, Rows]]:
    """Each take with the probabilities for recognised and for given words, by the bundle that held out its actor."""
    for bundle in sorted(set(folds.values())):
        engine = EmotionEngine(Settings(bundle=str(bundle)), aligner=aligner)
        own = [take for take in takes if folds[take.speaker] == bundle]
        with ThreadPoolExecutor(2) as pool:
            yield from pool.map(lambda take, e=engine: _score_both(e, take), own)


def _score_both(engine: EmotionEngine, take: Take) -> tuple[Take, Rows, Rows]:
    recording = take.path.read_bytes()
    given = AnalysisRequest(transcript=take.sentence)
    return take, score(engine, recording, AnalysisRequest()), score(engine, recording, given)


def summarise(true: Sequence[str], rows: Sequence[Rows], labels: Sequence[str]) -> dict[str, Any]:
    """Metrics of one source of words, over all emotions and, within "five", over `FIVE`."""
    scores = np.array(rows)
    return measure(true, scores, labels, labels) | {"five": measure(true, scores, labels, FIVE)}


def main(
    ravdess: Annotated[Path, typer.Option(help="Folder with Actor_01, Actor_02, …")],
    root: Annotated[Path, typer.Option(help="Composite corpus.")] = Path("runs/composite"),
    run: Annotated[Path, typer.Option(help="Run of model.train with --fold-bundles.")] = Path("runs/starter"),
    bundle: Annotated[Path, typer.Option(help="Bundle to complete: metrics.json and card.")] = Path(
        "model/bundles/starter"
    ),
    limit: Annotated[
        int | None, typer.Option(help="Clips of each actor, spread evenly; nothing is then written.")
    ] = None,
) -> None:
    """Measure the accuracy and write it to the bundle."""
    target = Target.read(bundle)
    folds = find_folds(root, run, CLIP, target)
    takes = choose(read_ravdess(ravdess), folds, limit)
    aligner = MoonshineAligner(2)
    try:
        scored = list(track(score_all(takes, folds, aligner), "clips", len(takes)))
    finally:
        aligner.close()
    labels, true = target.config.labels, [take.label for take, _, _ in scored]
    by_words = {
        "recognised words": summarise(true, [recognised for _, recognised, _ in scored], labels),
        "given transcript": summarise(true, [given for _, _, given in scored], labels),
    }
    command = "python -m benchmarks.untouched_clips --ravdess DIR"
    figures = {"clips": len(scored), "command": command, "labels": list(labels), "by_words": by_words}
    for words, row in by_words.items():
        print(
            f"{words}: WA {row['wa']:.3f}, UA {row['ua']:.3f}, five emotions {row['five']['ua']:.3f}, "
            f"{row['refused']} of {len(scored)} refused"
        )
    if limit is None:
        target.metrics["untouched_clips"] = figures
        target.write()


if __name__ == "__main__":
    typer.run(main)
