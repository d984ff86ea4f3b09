"""Time and GPU utilisation of all 100 trainings of the paper's tables on a corpus of the size of IEMOCAP.

    python -m benchmarks.tables --out DIR --device cuda --jobs 10 [--piece-s 500]

The corpus consists of random numbers with the count, lengths and labels of IEMOCAP; some words and a small offset of
the frames depend on the label, so that training and early stopping behave realistically. With `--piece-s` no further
row of ten folds starts after so many seconds, and the same command resumes with the next row. The times of all rows are
summed; an interrupted row starts again. GPU utilisation is the mean of what nvidia-smi reports once per second.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, Final, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from alignment.features.extraction import Segmentation
from benchmarks.iemocap_sized import UTTERANCES, draw_lengths, draw_shares
from model.corpora.iemocap import PAPER_LABELS
from model.data.cache import store_feature_set
from model.data.embeddings import SERVED_WORDS, random_embeddings
from model.data.features import FeatureSet
from model.data.prepared import PreparedData
from model.data.splits import random_folds
from model.runs.folder import Run
from model.runs.folds import Fold, finish_folds
from model.training.experiment import Experiment
from model.training.recipes import Recipe, change, choose_recipe
from model.training.systems import SYSTEMS
from model.workflows.console import console
from model.workflows.reproduce import PAPER_SYSTEMS

COUNTS: Final = dict(zip(PAPER_LABELS, (1103, 1040, 595, 1084, 1849, 107, 1708), strict=True))
_WORDS: Final = 3_000
_WORD_SIGNAL: Final = 0.05
_FRAME_SIGNAL: Final = 0.05


def make_labels(utterances: int) -> NDArray[np.int64]:
    """Labels with the proportions of IEMOCAP, interleaved so that every prefix has about the same proportions."""
    counts = list(COUNTS.values())
    labels = np.repeat(np.arange(len(counts)), counts)
    ranks = np.concatenate([(np.arange(count) + 0.5) / count for count in counts])
    return labels[np.argsort(ranks, kind="stable")][:utterances]


def make_features(labels: NDArray[np.int64], segmentation: Segmentation, n_mfcc: int) -> FeatureSet:
    """Random words and frames with the given segmentation."""
    generator = np.random.default_rng(1)
    seconds, words = draw_lengths(generator)
    means = generator.standard_normal((len(COUNTS), n_mfcc)).astype(np.float32)
    counts, frames, spoken = [], [], []
    for label, length_s, count in zip(labels, seconds, words, strict=False):
        shares = draw_shares(generator, int(count))
        frame_counts = _frame_counts(int(110 * length_s), shares, segmentation)
        noise = generator.standard_normal((int(frame_counts.sum()), n_mfcc), dtype=np.float32)
        frames.append(noise + _FRAME_SIGNAL * means[label])
        counts.append(frame_counts)
        numbers = np.where(
            generator.random(count) < _WORD_SIGNAL, label, (generator.zipf(1.3, count) + len(COUNTS)) % _WORDS
        )
        spoken.append(tuple(f"w{number}" for number in numbers.tolist()))
    lengths = np.array([len(each) for each in counts], np.int64)
    return FeatureSet(np.concatenate(frames), np.concatenate(counts), lengths, tuple(spoken))


def _frame_counts(total: int, shares: NDArray[np.float64], segmentation: Segmentation) -> NDArray[np.int64]:
    if segmentation == "whole":
        return np.array([max(1, total)])
    even = np.full(len(shares), 1 / len(shares))
    return np.maximum(1, (total * (shares if segmentation == "aligned" else even)).astype(np.int64))


def prepare_row(out: Path, name: str, labels: NDArray[np.int64], recipe: Recipe) -> Run:
    """Prepare the run folder of a row; its features are generated unless they exist."""
    settings = change(recipe, SYSTEMS[name].settings)
    folder = out / "features" / f"{settings.features.segmentation}-{len(labels)}"
    features = make_features(labels, settings.features.segmentation, settings.features.mfcc.n_mfcc)
    if not folder.is_dir():
        store_feature_set(features, folder)
    served = {f"served{number}" for number in range(SERVED_WORDS)}  # as many as a file of word vectors adds
    words = served.union(*features.words)
    vectors = random_embeddings(words, settings.network.embedding_dim, 0)
    names = tuple(str(index) for index in range(len(labels)))
    run = Run(out / name)
    run.prepare(
        Experiment("made", PAPER_LABELS, settings.features, settings.network, settings.training, vectors.source, name),
        PreparedData((features,), vectors, labels, names),
        [folder],
    )
    return run


def read_seconds(record: Path, conditions: dict[str, Any]) -> dict[str, Any]:
    """Recorded times of earlier rows.

    Raises:
        typer.BadParameter: They were measured under other conditions.
    """
    if not record.is_file():
        return {}
    stored = json.loads(record.read_text())
    if stored["conditions"] != conditions:
        raise typer.BadParameter(
            f"{record} was made with {stored['conditions']}; choose another folder", param_hint="--out"
        )
    rows: dict[str, Any] = stored["rows"]
    return rows


@contextmanager
def sample_gpu(device: str) -> Iterator[list[float]]:
    """GPU utilisation in percent, once per second; filled when the block ends, empty without a GPU."""
    busy: list[float] = []
    command = shutil.which("nvidia-smi")
    if device == "cpu" or command is None:
        yield busy
        return
    query = [command, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop=1"]
    with TemporaryFile("w+") as log, subprocess.Popen(query, stdout=log) as sampler:
        try:
            yield busy
        finally:
            sampler.terminate()
            sampler.wait()
            log.seek(0)
            busy.extend(float(line) for line in log if line.strip().isdigit())


def main(
    out: Annotated[Path, typer.Option(help="Folder of the synthetic corpus and its folds.")],
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Device of the training.")] = "cuda",
    jobs: Annotated[int, typer.Option(min=1, help="Concurrent folds.")] = 10,
    piece_s: Annotated[float, typer.Option(help="Seconds after which no further row starts.")] = float("inf"),
    utterances: Annotated[int, typer.Option(min=1_000, max=UTTERANCES, help="Number of utterances.")] = UTTERANCES,
    max_epochs: Annotated[int, typer.Option(min=1, help="Maximum number of epochs.")] = 100,
) -> None:
    """Train the remaining rows; print a line per row and the sum."""
    labels = make_labels(utterances)
    recipe = choose_recipe("paper", [f"training.max_epochs={max_epochs}"])
    splits = random_folds(labels.tolist())
    record = out / "seconds.json"
    conditions = {"device": device, "jobs": jobs, "utterances": utterances, "max_epochs": max_epochs}
    seconds = read_seconds(record, conditions)
    started = time.monotonic()
    for name in PAPER_SYSTEMS:
        if name in seconds or time.monotonic() - started > piece_s:
            continue
        shutil.rmtree(out / name, ignore_errors=True)  # the time of partial results is not recorded
        run = prepare_row(out, name, labels, recipe)
        began = time.monotonic()
        with sample_gpu(device) as busy:
            folds = finish_folds([Fold(run.path, split, out, "", device=device) for split in splits], jobs, console)
        epochs = sum(len(fold.history) for fold in folds)
        seconds[name] = {"s": time.monotonic() - began, "epochs": epochs, "busy": np.mean(busy) if busy else None}
        record.write_text(json.dumps({"conditions": conditions, "rows": seconds}, indent=2))
    _print(seconds, utterances, device, jobs)


def _print(seconds: dict[str, dict[str, float]], utterances: int, device: str, jobs: int) -> None:
    for name, row in seconds.items():
        busy = "" if row["busy"] is None else f", GPU utilisation {row['busy']:.0f} %"
        print(f"{name}: ten folds, {row['epochs']} epochs in {row['s']:.0f} s{busy}")
    total = sum(row["s"] for row in seconds.values())
    print(
        f"{len(seconds)} of {len(PAPER_SYSTEMS)} rows, {utterances} utterances, {jobs} concurrent folds on {device}: "
        f"{total / 60:.1f} min"
    )


if __name__ == "__main__":
    typer.run(main)
