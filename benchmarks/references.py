"""Simple classifiers and the network on the corpus of the starter bundle, in the same folds.

    python -m benchmarks.references --root runs/composite --run runs/starter

Published clips, as they are: logistic regression on the mean encoder state of the clip, the same with mean and
deviation of each MFCC beside it, and a support vector machine on mean, deviation and three percentiles of each MFCC;
over all emotions and over five. Composite sentences: the support vector machine on sound, logistic regression on the
mean word vector, and on both together; sound and text are trained and tested on the sentences where they carry the
label, while the network has no such information. The figures are written to metrics.json and MODEL_CARD.md of the
bundle.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from alignment.features.encoded import ENCODER_SIZE
from benchmarks.held_out import FIVE, Target
from model.corpora.pairing import CLIP, COMPOSITE, Sentence, read_sentences
from model.corpora.readers import read_corpus
from model.data.features import FeatureSet
from model.data.prepared import PreparedData
from model.data.splits import Split, session_folds
from model.runs.folder import Run
from model.training.experiment import Experiment
from model.training.loop import Logits

Rows = NDArray[np.float32]
Mask = NDArray[np.bool_]
_PERCENTILES: Final = (10, 50, 90)


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Statistics of the frames of utterances; rows of utterances that are not used are zero.

    Attributes:
        mfcc: (utterances, 5 · n_mfcc) mean, deviation and three percentiles; no columns without MFCCs.
        states: (utterances, 288) mean encoder state; no columns without an encoder.
    """

    mfcc: Rows
    states: Rows

    @property
    def mean_and_deviation(self) -> Rows:
        """(utterances, 2 · n_mfcc) of the MFCCs."""
        return self.mfcc[:, : self.mfcc.shape[1] * 2 // 5]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A simple classifier and the head of the network beside it.

    Attributes:
        task: Utterances and emotions.
        name: Description of the classifier.
        make: Makes an untrained classifier.
        rows: (utterances, values).
        used: (utterances,) utterances to train and test on.
        scores: Scores of the network from its logits.
    """

    task: str
    name: str
    make: Callable[[], Any]
    rows: Rows
    used: Mask
    scores: Callable[[Logits], NDArray[np.floating]]


def compute_statistics(features: FeatureSet, used: Mask, n_mfcc: int) -> Statistics:
    """Statistics of the frames of the `used` utterances; the first `n_mfcc` values of a frame are MFCCs."""
    lasts = np.cumsum(features.segment_counts)
    edges = np.concatenate(([0], np.cumsum(features.frame_counts)))
    size = features.frames.shape[1]
    mfcc = np.zeros((len(used), 5 * n_mfcc), np.float32)
    states = np.zeros((len(used), size - n_mfcc), np.float32)
    for index in track(np.flatnonzero(used), "statistics", transient=True):
        first, last = edges[lasts[index] - features.segment_counts[index]], edges[lasts[index]]
        frames = np.asarray(features.frames[first:last], np.float32)
        own = frames[:, :n_mfcc]
        mfcc[index] = np.concatenate((own.mean(0), own.std(0), *np.percentile(own, _PERCENTILES, axis=0)))
        states[index] = frames[:, n_mfcc:].mean(0)
    return Statistics(mfcc, states)


def mean_vectors(data: PreparedData) -> Rows:
    """(utterances, dim) mean word vectors."""
    embeddings = data.embeddings
    rows = [embeddings.table[embeddings.vocabulary.indices(words)].mean(axis=0) for words in data.by_speed[0].words]
    return np.array(rows, np.float32)


def weighted_regression() -> LogisticRegression:
    """Logistic regression for few utterances with many values."""
    return LogisticRegression(C=0.01, class_weight="balanced", max_iter=1_000)


def plain_regression() -> LogisticRegression:
    """Logistic regression with the defaults of scikit-learn."""
    return LogisticRegression(max_iter=1_000)


def clip_references(statistics: Statistics, clean: Mask, five: Mask, alpha: float) -> Iterator[Reference]:
    """References on the published clips."""
    both = np.concatenate((statistics.states, statistics.mean_and_deviation), axis=1)
    classifiers: list[tuple[str, Callable[[], Any], Rows]] = [
        ("logistic regression on mean encoder states", weighted_regression, statistics.states),
        ("logistic regression on mean encoder states and MFCCs", weighted_regression, both),
        ("SVM on statistics of MFCCs", SVC, statistics.mfcc),
    ]
    if not statistics.states.shape[1] or not statistics.mfcc.shape[1]:
        classifiers = [plan for plan in classifiers if plan[2] is not both and plan[2].shape[1]]
    for task, used in (("published clips, five emotions", clean & five), ("published clips, all emotions", clean)):
        for name, make, rows in classifiers:
            yield Reference(task, name, make, rows, used, lambda logits: logits.final(alpha))


def composite_references(
    statistics: Statistics, text: Rows, kinds: NDArray[np.str_], composite: Mask, alpha: float
) -> Iterator[Reference]:
    """References on the composite sentences; `kinds` is what carries the label of each utterance."""
    sound = statistics.mfcc if statistics.mfcc.shape[1] else statistics.states
    name = "SVM on statistics of MFCCs" if statistics.mfcc.shape[1] else "SVM on mean encoder states"
    by_sound, by_text = composite & (kinds != "text"), composite & (kinds != "sound")
    yield Reference(
        "composite sentences whose sound carries the emotion", name, SVC, sound, by_sound, lambda o: o.unimodal["audio"]
    )
    yield Reference(
        "composite sentences whose text carries the emotion",
        "logistic regression on mean word vectors",
        plain_regression,
        text,
        by_text,
        lambda o: o.unimodal["text"],
    )
    both = np.concatenate((sound, text), axis=1)
    name = "logistic regression on both"
    yield Reference("composite sentences", name, plain_regression, both, composite, lambda o: o.final(alpha))


def fold_recalls(reference: Reference, labels: NDArray[np.int64], splits: Sequence[Split]) -> list[float]:
    """UA of a classifier in each fold."""
    recalls = []
    for split in track(splits, reference.name, transient=True):
        train, test = split.train[reference.used[split.train]], split.test[reference.used[split.test]]
        classifier = make_pipeline(StandardScaler(), reference.make()).fit(reference.rows[train], labels[train])
        predicted = classifier.predict(reference.rows[test])
        recalls.append(_recall(labels[test], predicted))
    return recalls


def network_recalls(reference: Reference, run: Run, labels: NDArray[np.int64], splits: Sequence[Split]) -> list[float]:
    """UA of the network in each fold, on the same utterances, predicted among their emotions."""
    classes = np.unique(labels[reference.used])
    recalls = []
    for split in splits:
        indices, logits = run.logits(split, "test")
        mask = reference.used[indices]
        predicted = classes[reference.scores(logits)[mask][:, classes].argmax(axis=1)]
        recalls.append(_recall(labels[indices][mask], predicted))
    return recalls


def _recall(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Mean recall of the classes that occur."""
    return float(recall_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0))


def list_references(data: PreparedData, experiment: Experiment, sentences: Sequence[Sentence]) -> list[Reference]:
    """All references on a corpus."""
    source = np.array([sentence.source for sentence in sentences])
    kinds = np.array([sentence.kind for sentence in sentences])
    clean = (source == CLIP) & np.array([sentence.changed == "clean" for sentence in sentences])
    five = np.isin(data.labels, [experiment.labels.index(label) for label in FIVE])
    composite = source == COMPOSITE
    n_mfcc = experiment.features.frame_size - (ENCODER_SIZE if experiment.features.front_end != "mfcc" else 0)
    statistics = compute_statistics(data.by_speed[0], clean | composite, n_mfcc)
    alpha = experiment.training.alpha
    return [
        *clip_references(statistics, clean, five, alpha),
        *composite_references(statistics, mean_vectors(data), kinds, composite, alpha),
    ]


def main(
    root: Annotated[Path, typer.Option(help="Composite corpus.")] = Path("runs/composite"),
    run: Annotated[Path, typer.Option(help="Finished run of model.train, folds by session.")] = Path("runs/starter"),
    bundle: Annotated[Path, typer.Option(help="Bundle to complete: metrics.json and card.")] = Path(
        "model/bundles/starter"
    ),
) -> None:
    """Print one line per reference and write the figures to the bundle."""
    target, folder, sentences = Target.read(bundle), Run(run), read_sentences(root)
    target.check_run(folder)
    data, experiment = folder.data(), folder.experiment()
    utterances = read_corpus("composite", root).utterances
    if tuple(utterance.name for utterance in utterances) != data.names:
        raise typer.BadParameter("the run was prepared with another corpus", param_hint="--root")
    splits = session_folds(utterances, validate=experiment.training.patience > 0)
    rows = []
    for reference in list_references(data, experiment, [sentences[name] for name in data.names]):
        simple = fold_recalls(reference, data.labels, splits)
        network = network_recalls(reference, folder, data.labels, splits)
        used = int(reference.used.sum())
        rows.append({"task": reference.task, "name": reference.name, "used": used, "ua": simple, "network": network})
        print(f"{reference.task}, {reference.name}: {_spread(simple)}, network {_spread(network)}, {used} utterances")
    target.metrics["references"] = {
        "command": "python -m benchmarks.references", "folds": len(splits), "rows": rows
    }  # fmt: skip
    target.write()


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


if __name__ == "__main__":
    typer.run(main)
