"""A training run on disk: its data once, one folder per fold, so that a killed run goes on where it was."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import nn

from model.atomic import atomic_file
from model.data.cache import load_feature_set
from model.data.embeddings import Embeddings
from model.data.prepared import PreparedData
from model.data.splits import Split
from model.scores import log_softmax
from model.training.experiment import Experiment, FoldOutcome
from model.training.loop import Epoch, Logits
from model.training.metrics import Metrics, compute_metrics
from model.training.recipes import leaves
from model.vocabulary import Vocabulary

EXPERIMENT: Final = "experiment.json"
IDENTITY: Final = "identity.json"
FEATURES: Final = "features.json"
NOT_FOUND: Final = "not_found.json"
VOCABULARY: Final = "vocabulary.txt"
EMBEDDINGS: Final = "embeddings.npy"
RESULT: Final = "result.json"
LOGITS: Final = "logits.npz"
_MEANINGS: Final = {
    "names": "other utterances",
    "labels": "other labels",
    "features": "other sound, words or times, or other code that computes features",
    "vectors": "other word vectors",
    "words": "other words",
}


@dataclass(frozen=True, slots=True)
class MovedRun:
    """A run that made room for another.

    Attributes:
        path: where it is now.
        differs: in words, what is not the same.
    """

    path: Path
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What is kept of a finished fold.

    Attributes:
        split: its name.
        experiment: every choice behind it.
        best_epoch: whose weights were kept.
        seconds: that it took.
        parameters: of the network, word vectors not counted.
        history: learning curve.
        metrics: of the test part, by head: "final", "joint", "text", "audio".
        code: digest of the code that trained it, see `model.runs.provenance`.
    """

    split: str
    experiment: Experiment
    best_epoch: int
    seconds: float
    history: list[Epoch]
    metrics: dict[str, Metrics]
    parameters: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Reads and writes the files of a run."""

    path: Path

    def prepare(self, experiment: Experiment, data: PreparedData, feature_folders: Sequence[Path]) -> "MovedRun | None":
        """Writes what folds need; finished folds of the same experiment on the same data stay.

        Returns:
            Where the run that was here has been moved to, and why, when it was another experiment; else None.
        """
        identity = json.dumps(
            {
                "experiment": asdict(experiment),
                "names": data.names,
                "labels": data.labels.tolist(),
                "features": [folder.name for folder in feature_folders],
                "vectors": sha256(data.embeddings.table.tobytes()).hexdigest(),
                "words": sha256("\n".join(data.embeddings.vocabulary.words).encode()).hexdigest(),
            }
        )
        moved = None
        there = self.path / IDENTITY
        if there.is_file() and (old := there.read_text(encoding="utf-8")) != identity:
            moved = MovedRun(_free_name(self.path), tuple(_differences(json.loads(old), json.loads(identity))))
            self.path.rename(moved.path)
        self.path.mkdir(parents=True, exist_ok=True)
        data.embeddings.vocabulary.write(self.path / VOCABULARY)
        np.save(self.path / EMBEDDINGS, data.embeddings.table)
        (self.path / FEATURES).write_text(json.dumps([str(f) for f in feature_folders]), encoding="utf-8")
        (self.path / NOT_FOUND).write_text(json.dumps(data.embeddings.not_found), encoding="utf-8")
        (self.path / EXPERIMENT).write_text(json.dumps(asdict(experiment), indent=2), encoding="utf-8")
        with atomic_file(there) as temporary:
            temporary.write_text(identity, encoding="utf-8")
        return moved

    def experiment(self) -> Experiment:
        """The recorded choices."""
        return TypeAdapter(Experiment).validate_json((self.path / EXPERIMENT).read_bytes())

    def data(self) -> PreparedData:
        """What folds need, features mapped from the cache."""
        identity = json.loads((self.path / IDENTITY).read_text(encoding="utf-8"))
        folders = json.loads((self.path / FEATURES).read_text(encoding="utf-8"))
        not_found = tuple(json.loads((self.path / NOT_FOUND).read_text(encoding="utf-8")))
        table = np.load(self.path / EMBEDDINGS)
        vocabulary = Vocabulary.read(self.path / VOCABULARY)
        return PreparedData(
            by_speed=tuple(load_feature_set(Path(folder)) for folder in folders),
            embeddings=Embeddings(vocabulary, table, self.experiment().vectors, not_found),
            labels=np.array(identity["labels"], np.int64),
            names=tuple(identity["names"]),
        )

    def labels(self) -> NDArray[np.int64]:
        """(utterances,) index into the experiment's labels."""
        return np.array(json.loads((self.path / IDENTITY).read_text(encoding="utf-8"))["labels"], np.int64)

    def fold(self, split: Split) -> Path:
        """Folder of one fold."""
        return self.path / split.name

    def result(self, split: Split) -> FoldResult | None:
        """A finished fold; None when it is not finished."""
        path = self.fold(split) / RESULT
        return TypeAdapter(FoldResult).validate_json(path.read_bytes()) if path.is_file() else None

    def result_of(
        self,
        split: Split,
        experiment: Experiment,
        outcome: FoldOutcome,
        labels: NDArray[np.int64],
        seconds: float,
        code: str,
    ) -> FoldResult:
        """What a fold gave; nothing is written."""
        heads = _heads(outcome.test, experiment.training.alpha) if outcome.test else {}
        return FoldResult(
            split=split.name,
            experiment=experiment,
            best_epoch=outcome.trained.best_epoch,
            seconds=round(seconds, 1),
            history=outcome.trained.history,
            metrics={head: compute_metrics(scores, labels[split.test]) for head, scores in heads.items()},
            parameters=_count_parameters(outcome.trained.network),
            code=code,
        )

    def store_logits(self, split: Split, outcome: FoldOutcome) -> None:
        """Writes what the network says of the parts that it was not trained on."""
        arrays: dict[str, Any] = {}
        for part in ("validation", "test"):
            logits: Logits | None = getattr(outcome, part)
            if logits is not None:
                arrays[part] = getattr(split, part)
                arrays |= {f"{part}_{head}": rows for head, rows in logits.heads.items()}
        with atomic_file(self.fold(split) / LOGITS) as temporary:
            np.savez(temporary, **arrays)

    def store_result(self, split: Split, result: FoldResult) -> None:
        """Writes the file that marks a fold as finished, whole or not at all."""
        with atomic_file(self.fold(split) / RESULT) as temporary:
            temporary.write_text(json.dumps(asdict(result), indent=2), encoding="utf-8")

    def logits(self, split: Split, part: str) -> tuple[NDArray[np.int64], Logits]:
        """Indices and logits of a finished fold's "validation" or "test" part."""
        with np.load(self.fold(split) / LOGITS) as stored:
            heads = {name.removeprefix(f"{part}_"): stored[name] for name in stored if name.startswith(f"{part}_")}
            return stored[part], Logits(heads.pop("joint"), heads)


def _count_parameters(network: nn.Module) -> int:
    tables = sum(layer.weight.numel() for layer in network.modules() if isinstance(layer, nn.Embedding))
    return sum(parameter.numel() for parameter in network.parameters()) - tables


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """In words, where two identities differ."""
    before, after = dict(leaves(old["experiment"])), dict(leaves(new["experiment"]))
    for name in before | after:
        if before.get(name) != after.get(name):
            yield f"{name} was {before.get(name)}, is {after.get(name)}"
    for key, meaning in _MEANINGS.items():
        if old[key] != new[key]:
            yield meaning


def _free_name(path: Path) -> Path:
    """A name beside `path` that nothing has."""
    return next(name for number in count(1) if not (name := path.with_name(f"{path.name}-before-{number}")).exists())


def _heads(logits: Logits, alpha: float) -> dict[str, NDArray[np.float64]]:
    return {"final": logits.final(alpha)} | {head: log_softmax(rows) for head, rows in logits.heads.items()}
