"""Simple classifiers and the network on the corpus of the starter bundle, in the same folds.

    python -m benchmarks.references --root runs/composite --run runs/starter

Sound: support vector machine on mean, deviation and three percentiles of each MFCC of the utterance. Text: logistic
regression on the mean word vector. Both: logistic regression on the concatenation. Sound and text are trained and
tested on the utterances where they carry the label; the network has no such information.
"""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from model.corpora.iemocap import PAPER_LABELS, read_iemocap
from model.corpora.pairing import PAIRS
from model.data.embeddings import Embeddings
from model.data.features import FeatureSet
from model.data.splits import Split, session_folds
from model.runs.folder import Run
from model.training.loop import Logits

Rows = NDArray[np.float32]


def sound_statistics(features: FeatureSet) -> Rows:
    """(utterances, 5 · n_mfcc) statistics of the MFCCs."""
    lasts = np.cumsum(features.segment_counts)
    edges = np.concatenate(([0], np.cumsum(features.frame_counts)))
    rows = []
    for first, last in zip(edges[lasts - features.segment_counts], edges[lasts], strict=True):
        frames = np.asarray(features.frames[first:last], np.float32)
        rows.append(np.concatenate((frames.mean(0), frames.std(0), *np.percentile(frames, (10, 50, 90), axis=0))))
    return np.array(rows, np.float32)


def mean_vectors(features: FeatureSet, embeddings: Embeddings) -> Rows:
    """(utterances, dim) mean word vectors."""
    rows = [embeddings.table[embeddings.vocabulary.indices(words)].mean(axis=0) for words in features.words]
    return np.array(rows, np.float32)


def fold_recalls(
    make: Callable[[], Any], rows: Rows, labels: NDArray[np.int64], splits: Sequence[Split], used: NDArray[np.bool_]
) -> list[float]:
    """UA of a classifier in each fold, trained and tested on the `used` utterances."""
    recalls = []
    for split in track(splits, "folds", transient=True):
        train, test = split.train[used[split.train]], split.test[used[split.test]]
        classifier = make_pipeline(StandardScaler(), make()).fit(rows[train], labels[train])
        recalls.append(float(recall_score(labels[test], classifier.predict(rows[test]), average="macro")))
    return recalls


def network_recalls(
    run: Run,
    labels: NDArray[np.int64],
    splits: Sequence[Split],
    used: NDArray[np.bool_],
    scores: Callable[[Logits], Any],
) -> list[float]:
    """UA of the network in each fold, on the `used` utterances."""
    recalls = []
    for split in splits:
        indices, logits = run.logits(split, "test")
        mask = used[indices]
        predicted = scores(logits).argmax(axis=1)
        recalls.append(float(recall_score(labels[indices][mask], predicted[mask], average="macro")))
    return recalls


def main(
    root: Annotated[Path, typer.Option(help="Composite corpus.")] = Path("runs/composite"),
    run: Annotated[Path, typer.Option(help="Finished run of model.train, folds by session.")] = Path("runs/starter"),
) -> None:
    """Print one line per modality."""
    folder = Run(run)
    data, experiment = folder.data(), folder.experiment()
    corpus = read_iemocap(root, PAPER_LABELS)
    splits = session_folds(corpus.utterances, validate=experiment.training.patience > 0)
    with (root / PAIRS).open(encoding="utf-8", newline="") as file:
        kind_of = {row["name"]: row["kind"] for row in csv.DictReader(file, delimiter="\t")}
    kinds = np.array([kind_of[name] for name in data.names])
    sound, text = sound_statistics(data.by_speed[0]), mean_vectors(data.by_speed[0], data.embeddings)
    both = np.concatenate((sound, text), axis=1)

    def regression() -> LogisticRegression:
        return LogisticRegression(max_iter=1_000)

    plans: list[tuple[str, Callable[[], Any], Rows, NDArray[np.bool_], Callable[[Logits], Any]]] = [
        ("sound, where it carries the label: SVM", SVC, sound, kinds != "text", lambda o: o.unimodal["audio"]),
        (
            "text, where it carries the label: regression",
            regression,
            text,
            kinds != "sound",
            lambda o: o.unimodal["text"],
        ),
        ("both, everywhere: regression", regression, both, kinds != "", lambda o: o.final(experiment.training.alpha)),
    ]
    for name, make, rows, used, scores in plans:
        simple = fold_recalls(make, rows, data.labels, splits, used)
        network = network_recalls(folder, data.labels, splits, used, scores)
        print(
            f"{name} UA {np.mean(simple):.3f} ± {np.std(simple):.3f}, network {np.mean(network):.3f} ± "
            f"{np.std(network):.3f}, {int(used.sum())} utterances"
        )


if __name__ == "__main__":
    typer.run(main)
