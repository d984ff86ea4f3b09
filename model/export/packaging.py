"""Bundles from trained networks: graphs, configuration, metrics, card and checksums."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.atomic import atomic_folder
from model.bundle import CARD, CONFIG, METRICS, SOUND, VOCABULARY, BundleConfig, Origin, read_config, write_config
from model.bundle_files import write_sums
from model.calibration import Calibration, SoundReference
from model.data.embeddings import Embeddings
from model.export.card import render_card
from model.export.onnx_graphs import export_network
from model.network.compression import prune_words
from model.training.experiment import Experiment, TrainedFold


def write_bundle(
    out: Path,
    name: str,
    trained: TrainedFold,
    experiment: Experiment,
    embeddings: Embeddings,
    origin: Origin,
    metrics: dict[str, Any],
    sound: SoundReference | None = None,
) -> BundleConfig:
    """Export a network at temperature 1 and write its bundle, with the sound of its training data if given.

    Raises:
        ExportParityError: ONNX and PyTorch differ; nothing is written.
        TypeError: The network is not CAN, or several of them, which alone can be served.
    """
    network = trained.network
    config = BundleConfig(
        name=name,
        system="can",
        labels=experiment.labels,
        features=experiment.features,
        normalisation=trained.normalisation,
        alpha=experiment.training.alpha,
        calibration=Calibration(),
        network=experiment.network,
        origin=origin,
    )
    vocabulary = embeddings.vocabulary
    if experiment.training.embedding_rate == 0:
        vocabulary = prune_words(network, vocabulary, frozenset(embeddings.not_found))
    with atomic_folder(out) as folder:
        export_network(network, experiment.training.alpha, folder)
        write_config(folder / CONFIG, config)
        vocabulary.write(folder / VOCABULARY)
        if sound is not None:
            sound.write(folder / SOUND)
        write_metrics(folder, config, metrics)
    return config


def publish_bundle(
    source: Path,
    out: Path,
    calibration: Calibration,
    metrics: dict[str, Any],
    origin: Origin,
    *,
    keep_sound: bool = True,
) -> BundleConfig:
    """Copy a bundle to the folder it is served from, with a new calibration, metrics and origin.

    The creation date of the source is kept: it is the date of the training.

    Args:
        source: Bundle to copy.
        out: Folder to write.
        calibration: Calibration of the new bundle.
        metrics: Content of metrics.json.
        origin: Origin, except for the date.
        keep_sound: Whether the sound of the training data is copied.
    """
    stored = read_config(source / CONFIG)
    origin = replace(origin, created=stored.origin.created)
    config = replace(stored, name=out.name, calibration=calibration, origin=origin)
    with atomic_folder(out) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        if not keep_sound:
            (folder / SOUND).unlink(missing_ok=True)
        write_config(folder / CONFIG, config)
        write_metrics(folder, config, metrics)
    return config


def write_metrics(folder: Path, config: BundleConfig, metrics: dict[str, Any]) -> None:
    """Write metrics.json, the model card rendered from it, and the checksums."""
    (folder / METRICS).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(render_card(config, metrics), encoding="utf-8")
    write_sums(folder)
