"""Files of a training run: its data once and one folder per fold, so that an interrupted run can be resumed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from model.atomic import atomic_file
from model.data.cache import load_feature_set
from model.data.embeddings import Embeddings
from model.data.initial import InitialWeights
from model.data.prepared import PreparedData
from model.data.splits import Split
from model.network.stored import store_network
from model.runs.predictions import PREDICTIONS, describe_predictions, write_predictions
from model.training.experiment import Experiment, TrainedFold
from model.training.loop import Epoch, Logits
from model.training.metrics import Metrics
from model.training.recipes import leaves
from model.vocabulary import Vocabulary

EXPERIMENT: Final = "experiment.json"
IDENTITY: Final = "identity.json"
FEATURES: Final = "features.json"
NOT_FOUND: Final = "not_found.json"
VOCABULARY: Final = "vocabulary.txt"
EMBEDDINGS: Final = "embeddings.npy"
INITIAL: Final = "initial.safetensors"
RESULT: Final = "result.json"
LOGITS: Final = "logits.npz"
_MEANINGS: Final = {
    "names": "other utterances",
    "labels": "other labels",
    "features": "other audio, words or times, or another version of the feature code",
    "vectors": "other word vectors",
    "words": "other words",
    "sources": "other parts of the corpus",
    "initial": "other initial weights",
}


@dataclass(frozen=True, slots=True)
class FoldResult:
    """Stored result of a finished fold.

    Attributes:
        split: Name of the split.
        experiment: The experiment.
        best_epoch: Epoch whose weights were kept.
        seconds: Duration of training and test.
        history: Learning curve.
        metrics: Metrics of the test part by head: "final", "joint", "text", "audio".
        parameters: Number of the network's parameters without word vectors.
        code: Digest of the training code, see `model.runs.folds.training_code`.
        environment: See `model.runs.environment.describe_environment`; empty for folds of earlier versions.
    """

    split: str
    experiment: Experiment
    best_epoch: int
    seconds: float
    history: list[Epoch]
    metrics: dict[str, Metrics]
    parameters: int = 0
    code: str = ""
    environment: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """Reader and writer of a run's files.

    Attributes:
        path: Folder of the run.
    """

    path: Path

    def prepare(self, experiment: Experiment, data: PreparedData, feature_folders: Sequence[Path]) -> str | None:
        """Write the data that folds need; finished folds of the same experiment on the same data are kept.

        Returns:
            A message if the folder held a different run, which is then moved to another name; else None.
        """
        identity = json.dumps(
            {
                "experiment": asdict(experiment),
                "names": data.names,
                "labels": data.labels.tolist(),
                "features": [folder.name for folder in feature_folders],
                "vectors": sha256(data.embeddings.table.tobytes()).hexdigest(),
                "sources": data.sources,
                "words": sha256("\n".join(data.embeddings.vocabulary.words).encode()).hexdigest(),
                **({"initial": data.initial.digest} if data.initial else {}),
            }
        )
        message = self._move_other_run(identity)
        self.path.mkdir(parents=True, exist_ok=True)
        data.embeddings.vocabulary.write(self.path / VOCABULARY)
        np.save(self.path / EMBEDDINGS, data.embeddings.table)
        if data.initial is not None:
            data.initial.write(self.path / INITIAL)
        (self.path / FEATURES).write_text(json.dumps([str(f) for f in feature_folders]), encoding="utf-8")
        (self.path / NOT_FOUND).write_text(json.dumps(data.embeddings.not_found), encoding="utf-8")
        (self.path / EXPERIMENT).write_text(json.dumps(asdict(experiment), indent=2), encoding="utf-8")
        with atomic_file(self.path / IDENTITY) as temporary:
            temporary.write_text(identity, encoding="utf-8")
        return message

    def _move_other_run(self, identity: str) -> str | None:
        if not (self.path / IDENTITY).is_file():
            return None
        previous = (self.path / IDENTITY).read_text(encoding="utf-8")
        differences = list(_differences(json.loads(previous), json.loads(identity)))
        if not differences:
            return None
        target = _unused_name(self.path)
        self.path.rename(target)
        return f"{self.path} held a different run ({'; '.join(differences)}); it was moved to {target}"

    def experiment(self) -> Experiment:
        """The recorded experiment."""
        return TypeAdapter(Experiment).validate_json((self.path / EXPERIMENT).read_bytes())

    def data(self) -> PreparedData:
        """The data that folds need, with features memory-mapped from the cache."""
        folders = json.loads((self.path / FEATURES).read_text(encoding="utf-8"))
        not_found = tuple(json.loads((self.path / NOT_FOUND).read_text(encoding="utf-8")))
        vocabulary, table = Vocabulary.read(self.path / VOCABULARY), np.load(self.path / EMBEDDINGS)
        return PreparedData(
            by_speed=tuple(load_feature_set(Path(folder)) for folder in folders),
            embeddings=Embeddings(vocabulary, table, self.experiment().vectors, not_found),
            labels=self.labels(),
            names=self.names(),
            sources=tuple(self._identity()["sources"]),
            initial=InitialWeights.read(self.path / INITIAL) if (self.path / INITIAL).is_file() else None,
        )

    def labels(self) -> NDArray[np.int64]:
        """(utterances,) index into the experiment's labels."""
        return np.array(self._identity()["labels"], np.int64)

    def names(self) -> tuple[str, ...]:
        """Names of the utterances."""
        return tuple(self._identity()["names"])

    def _identity(self) -> dict[str, Any]:
        identity: dict[str, Any] = json.loads((self.path / IDENTITY).read_text(encoding="utf-8"))
        return identity

    def folder(self, split: Split) -> Path:
        """Folder of one fold."""
        return self.path / split.name

    def result(self, split: Split) -> FoldResult | None:
        """Result of a fold; None if the fold is not finished."""
        path = self.folder(split) / RESULT
        return TypeAdapter(FoldResult).validate_json(path.read_bytes()) if path.is_file() else None

    def store_result(self, split: Split, result: FoldResult) -> None:
        """Write the file that marks a fold as finished."""
        with atomic_file(self.folder(split) / RESULT) as temporary:
            temporary.write_text(json.dumps(asdict(result), indent=2), encoding="utf-8")

    def logits(self, split: Split, part: str) -> tuple[NDArray[np.int64], Logits]:
        """Utterance indices and logits of a finished fold's "validation" or "test" part."""
        with np.load(self.folder(split) / LOGITS) as stored:
            heads = {name.removeprefix(f"{part}_"): stored[name] for name in stored if name.startswith(f"{part}_")}
            return stored[part], Logits(heads.pop("joint"), heads)

    def store_logits(self, split: Split, trained: TrainedFold) -> None:
        """Write the logits of the validation and test parts."""
        arrays: dict[str, Any] = {}
        for part in ("validation", "test"):
            logits: Logits | None = getattr(trained, part)
            if logits is not None:
                arrays[part] = getattr(split, part)
                arrays |= {f"{part}_{head}": rows for head, rows in logits.heads.items()}
        with atomic_file(self.folder(split) / LOGITS) as temporary:
            np.savez(temporary, **arrays)

    def store_predictions(self, split: Split, alpha: float) -> None:
        """Write predictions.csv of the test part from the stored logits; nothing without a test part."""
        if not len(split.test):
            return
        indices, logits = self.logits(split, "test")
        names = self.names()
        own = describe_predictions(
            logits, alpha, [names[index] for index in indices], self.labels()[indices], self.experiment().labels
        )
        write_predictions(self.folder(split) / PREDICTIONS, split.name, own)

    def store_network(self, split: Split, trained: TrainedFold) -> None:
        """Write the weights and what is needed to run them; see `model.network.load`."""
        experiment = self.experiment()
        store_network(
            self.folder(split),
            trained.network,
            Vocabulary.read(self.path / VOCABULARY),
            labels=experiment.labels,
            features=experiment.features,
            normalisation=trained.normalisation,
            alpha=experiment.training.alpha,
            config=experiment.network,
        )


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Readable differences between two identities; a setting that did not exist before had its default."""
    before, after = (dict(leaves(_complete(identity["experiment"]))) for identity in (old, new))
    for name in before | after:
        if before.get(name) != after.get(name):
            yield f"{name} was {before.get(name)}, is {after.get(name)}"
    for key, meaning in _MEANINGS.items():
        if old.get(key) != new.get(key):
            yield meaning


def _complete(experiment: dict[str, Any]) -> dict[str, Any]:
    return asdict(TypeAdapter(Experiment).validate_python(experiment))


def _unused_name(path: Path) -> Path:
    return next(name for number in count(1) if not (name := path.with_name(f"{path.name}-before-{number}")).exists())
