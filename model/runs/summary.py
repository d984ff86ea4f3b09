"""Metrics of finished folds: the result of one fold, and the cross-validation section of metrics.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from model.corpora.pairing import CLIP, COMPOSITE, FOREIGN, Sentence, read_sentences
from model.data.prepared import PreparedData
from model.data.protocols import describe_folds
from model.data.splits import Split
from model.runs.folder import FoldResult, Run
from model.scores import log_softmax
from model.training.experiment import Experiment, TrainedFold
from model.training.metrics import compute_metrics

_METRICS: Final = ("wa", "ua", "macro_f1", "weighted_precision", "macro_precision", "calibration_error")
_HEADS: Final = {"final": "both (Eq. 15)", "joint": "joint head alone", "text": "text alone", "audio": "sound alone"}


def summarise_fold(
    split: Split, experiment: Experiment, trained: TrainedFold, labels: NDArray[np.int64], seconds: float, code: str
) -> FoldResult:
    """Result of a trained fold, with the metrics of its test part by head."""
    heads: dict[str, NDArray[np.float64]] = {}
    if trained.test:
        heads["final"] = trained.test.final(experiment.training.alpha)
        heads |= {head: log_softmax(logits) for head, logits in trained.test.heads.items()}
    return FoldResult(
        split=split.name,
        experiment=experiment,
        best_epoch=trained.best_epoch,
        seconds=round(seconds, 1),
        history=trained.history,
        metrics={head: compute_metrics(scores, labels[split.test]) for head, scores in heads.items()},
        parameters=_count_parameters(trained.network),
        code=code,
    )


def _count_parameters(network: nn.Module) -> int:
    tables = sum(layer.weight.numel() for layer in network.modules() if isinstance(layer, nn.Embedding))
    return sum(parameter.numel() for parameter in network.parameters()) - tables


def summarise_folds(
    run: Run,
    splits: Sequence[Split],
    results: Sequence[FoldResult],
    data: PreparedData,
    root: Path,
    command: str,
    protocol: str = "",
) -> dict[str, Any]:
    """Cross-validation section of metrics.json, without the error after calibration.

    Args:
        run: The run.
        splits: Splits of the folds.
        results: Result of each fold.
        data: Data of the run.
        root: Folder of the corpus.
        command: Command line, for the record.
        protocol: Description of the folds; "" for the one that their names imply.
    """
    experiment = results[0].experiment
    alpha = experiment.training.alpha
    summary: dict[str, Any] = {
        "folds": len(results),
        "protocol": protocol or describe_folds(splits),
        "utterances": sum(result.metrics["final"].count for result in results),
        "command": command,
        "heads": {
            _HEADS[head]: {metric: [getattr(result.metrics[head], metric) for result in results] for metric in _METRICS}
            for head in results[0].metrics
        },
        "experiment": asdict(experiment),
        "best_epochs": [result.best_epoch for result in results],
    }
    if sentences := read_sentences(root):
        summary["by_kind"] = _by_kind(run, splits, data, sentences, alpha)
    return summary


def _by_kind(
    run: Run, splits: Sequence[Split], data: PreparedData, sentences: Mapping[str, Sentence], alpha: float
) -> dict[str, dict[str, Any]]:
    """UA on the composite corpus by the modality that carries the emotion, and on the whole clips."""
    tested = [run.logits(split, "test") for split in splits]
    indices = np.concatenate([part for part, _ in tested])
    tested_sentences = [sentences[data.names[index]] for index in indices]
    source_of = np.array([sentence.source for sentence in tested_sentences])
    kind_of = np.array([sentence.kind if sentence.source == COMPOSITE else "" for sentence in tested_sentences])
    clean = np.array([sentence.changed == "clean" for sentence in tested_sentences])
    scores = {
        "final": np.concatenate([logits.final(alpha) for _, logits in tested]),
        "text": np.concatenate([log_softmax(logits.unimodal["text"]) for _, logits in tested]),
        "audio": np.concatenate([log_softmax(logits.unimodal["audio"]) for _, logits in tested]),
    }
    groups = {
        "composite sentences": kind_of != "",
        "text and sound say the same": kind_of == "both",
        "one of them is neutral": (kind_of == "text") | (kind_of == "sound"),
        "the text is neutral": kind_of == "sound",
        "the sound is neutral": kind_of == "text",
        "published clips": (source_of == CLIP) & clean,
        "published clips, distorted": (source_of == CLIP) & ~clean,
        "Polish clips": (source_of == FOREIGN) & clean,
        "Polish clips, distorted": (source_of == FOREIGN) & ~clean,
    }
    return {
        name: {
            "count": int(mask.sum()),
            **{head: compute_metrics(values[mask], data.labels[indices[mask]]).ua for head, values in scores.items()},
        }
        for name, mask in groups.items()
        if mask.any()
    }
