"""From a trained network to a bundle: graphs, config, card, checksums."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.atomic import atomic_folder
from model.bundle import CARD, CONFIG, METRICS, VOCABULARY, BundleConfig, Origin, read_config, write_config, write_sums
from model.data.prepared import PreparedData
from model.export.card import render_card
from model.export.onnx_graphs import export_network
from model.network.can import CrossAttentionNetwork
from model.network.compression import prune_words
from model.training.experiment import Experiment, FoldOutcome


def write_bundle(
    out: Path,
    name: str,
    outcome: FoldOutcome,
    experiment: Experiment,
    data: PreparedData,
    origin: Origin,
    metrics: dict[str, Any],
) -> BundleConfig:
    """Exports a network at temperature 1 and writes the folder that is served.

    Raises:
        ExportParityError: ONNX and PyTorch disagree; nothing is written.
        TypeError: it is another network than CAN, the only one that is served.
    """
    network = outcome.trained.network
    if not isinstance(network, CrossAttentionNetwork):
        raise TypeError(f"only CrossAttentionNetwork is served, not {type(network).__name__}")
    config = BundleConfig(
        name=name,
        system="can",
        labels=experiment.labels,
        features=experiment.features,
        normalisation=outcome.normalisation,
        alpha=experiment.training.alpha,
        temperature=1.0,
        network=experiment.network,
        origin=origin,
    )
    vocabulary = data.embeddings.vocabulary
    if experiment.training.embedding_rate == 0:
        vocabulary = prune_words(network, vocabulary, frozenset(data.embeddings.not_found))
    with atomic_folder(out) as folder:
        export_network(network, experiment.training.alpha, folder)
        write_config(folder / CONFIG, config)
        vocabulary.write(folder / VOCABULARY)
        write_figures(folder, config, metrics)
    return config


def publish_bundle(
    source: Path, out: Path, temperature: float, metrics: dict[str, Any], origin: Origin
) -> BundleConfig:
    """Copies a bundle to where it is served from, with what the folds have shown since it was written.

    What `origin` says goes for the copy, but for the day: the weights were made when they were trained.
    """
    stored = read_config(source / CONFIG)
    origin = replace(origin, created=stored.origin.created)
    config = replace(stored, name=out.name, temperature=temperature, origin=origin)
    with atomic_folder(out) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        write_config(folder / CONFIG, config)
        write_figures(folder, config, metrics)
    return config


def write_figures(folder: Path, config: BundleConfig, metrics: dict[str, Any]) -> None:
    """Writes metrics.json, the card that follows from it, and the checksums."""
    (folder / METRICS).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(render_card(config, metrics), encoding="utf-8")
    write_sums(folder)
