"""Recordings of held-out speakers: the bundles of a cross-validation, probabilities as served, and their metrics."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from alignment.errors import AlignerUnavailableError, AlignmentError, EncoderUnavailableError
from model.bundle import CONFIG, METRICS, BundleConfig, read_config
from model.corpora.nemo import ForeignTake
from model.corpora.pairing import read_sentences
from model.corpora.ravdess import Take
from model.export.packaging import write_metrics
from model.runs.folder import Run
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest

FIVE: Final = ("ang", "hap", "sad", "sur", "neu")
"""Labels without fearful and disgusted."""
Rows = NDArray[np.float64]
TakeT = TypeVar("TakeT", Take, ForeignTake)
_REFUSED: Final = -1


@dataclass(frozen=True, slots=True)
class Target:
    """The bundle to complete.

    Attributes:
        folder: Folder of the bundle.
        config: Content of config.json.
        metrics: Content of metrics.json, to be changed.
    """

    folder: Path
    config: BundleConfig
    metrics: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Target":
        """Read the configuration and the metrics of a bundle."""
        metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        return cls(folder, read_config(folder / CONFIG), metrics)

    def write(self) -> None:
        """Write the metrics and the card."""
        write_metrics(self.folder, self.config, self.metrics)

    def check_fold(self, fold: Path) -> None:
        """Refuse the bundle of another experiment.

        Raises:
            typer.BadParameter: The fold is missing, or was trained with other settings than the bundle to complete.
        """
        try:
            figures = json.loads((fold / METRICS).read_text(encoding="utf-8"))["cross_validation"]
        except FileNotFoundError as exc:
            raise typer.BadParameter(f"{fold} holds no bundle; train with --fold-bundles", param_hint="--run") from exc
        self._check(fold, figures["experiment"])

    def check_run(self, run: Run) -> None:
        """Refuse the run of another experiment.

        Raises:
            typer.BadParameter: The run was trained with other settings than the bundle to complete.
        """
        self._check(run.path, json.loads(json.dumps(asdict(run.experiment()))))

    def _check(self, path: Path, experiment: object) -> None:
        if experiment != self.metrics["cross_validation"]["experiment"]:
            raise typer.BadParameter(f"{path} was trained with other settings than --bundle", param_hint="--run")


def find_folds(root: Path, run: Path, source: str, target: Target) -> dict[str, Path]:
    """Bundle of the fold that held out each speaker.

    Args:
        root: Composite corpus.
        run: Run of model.train with --fold-bundles.
        source: Part of the corpus whose speakers are meant.
        target: The bundle to complete.

    Raises:
        typer.BadParameter: The corpus has no such part, or as `Target.check_fold`.
    """
    sentences = read_sentences(root).values()
    sessions = {sentence.speaker: sentence.name[:5] for sentence in sentences if sentence.source == source}
    if not sessions:
        raise typer.BadParameter(f"{root} has no utterances of the part {source}", param_hint="--root")
    folds = {speaker: run / session / "bundle" for speaker, session in sessions.items()}
    for fold in set(folds.values()):
        target.check_fold(fold)
    return folds


def choose(takes: Sequence[TakeT], folds: Mapping[str, Path], limit: int | None) -> list[TakeT]:
    """Takes of the held-out speakers; at most `limit` of each, spread evenly."""
    chosen: list[TakeT] = []
    for speaker in folds:
        own = [take for take in takes if take.speaker == speaker]
        chosen += own if limit is None else own[:: max(1, len(own) // limit)][:limit]
    return chosen


def score(engine: EmotionEngine, recording: bytes, request: AnalysisRequest) -> Rows:
    """(classes,) probabilities as served; NaN for a refused recording.

    Raises:
        AlignerUnavailableError, EncoderUnavailableError: A model is missing.
    """
    try:
        return engine.analyse(recording, request).probabilities
    except (AlignerUnavailableError, EncoderUnavailableError):
        raise
    except AlignmentError:
        return np.full(len(engine.bundle.config.labels), np.nan)


def measure(true: Sequence[str], rows: Rows, labels: Sequence[str], chosen: Sequence[str]) -> dict[str, Any]:
    """Metrics over some emotions: of the clips that show one of them, predicted among them.

    Args:
        true: Label of each clip.
        rows: (clips, classes) scores; NaN for a refused clip, which counts as wrong.
        labels: Labels of the classes.
        chosen: Labels of the metrics.
    """
    used = np.array([label in chosen for label in true], bool)
    index = np.array([chosen.index(label) for label, use in zip(true, used, strict=True) if use], np.int64)
    predicted = _predict(rows[used][:, [labels.index(label) for label in chosen]])
    correct: NDArray[np.bool_] = np.equal(predicted, index)
    present = [label for number, label in enumerate(chosen) if (index == number).any()]
    recall = {label: float(correct[index == chosen.index(label)].mean()) for label in present}
    return {
        "labels": list(chosen),
        "clips": len(index),
        "wa": float(correct.mean()) if len(index) else float("nan"),
        "ua": float(np.mean(list(recall.values()))) if recall else float("nan"),
        "refused": int((predicted == _REFUSED).sum()),
        "recall": recall,
        "confusion": confusion_matrix(index, predicted, labels=range(len(chosen))).tolist() if len(index) else [],
    }


def _predict(rows: Rows) -> NDArray[np.int64]:
    """(clips,) class of the highest score, or -1 for a refused clip."""
    refused = np.asarray(np.isnan(rows).any(axis=1))
    return np.where(refused, _REFUSED, np.where(refused[:, None], 0.0, rows).argmax(axis=1))
