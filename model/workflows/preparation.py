"""Preparation of a run: features in the cache, vocabulary and word vectors, labels."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from alignment.pipeline import bind_encoder
from alignment.transcripts.normalisation import is_filler, normalise_word
from model.atomic import exclusive_lock
from model.config import NetworkConfig
from model.corpora.iemocap import ALL_LABELS
from model.corpora.records import Corpus
from model.data.cache import cached_feature_set, feature_folder
from model.data.embeddings import Embeddings, load_glove, random_embeddings
from model.data.initial import InitialWeights
from model.data.prepared import PreparedData
from model.errors import TrainingError
from model.runs.folder import Run
from model.training.experiment import Experiment
from model.training.recipes import Recipe
from model.workflows.console import print_line, print_missing_words


def check_device(device: str) -> None:
    """Raise unless the device is available.

    Raises:
        TrainingError: torch finds no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda: torch finds no GPU; omit the option to train on the CPU")


def lock_run(path: Path) -> AbstractContextManager[None]:
    """Lock the folder of a run, so that one command at a time writes to it.

    Raises:
        TrainingError: Another command is using the folder.
    """
    return exclusive_lock(
        path, lambda: TrainingError(f"another command is using {path}; wait until it ends, or choose another --out")
    )


def choose_embeddings(corpus: Corpus, recipe: Recipe, glove: Path | None, *, random: bool) -> Embeddings:
    """Word vectors for the words of a corpus; random ones only on explicit request.

    Raises:
        TrainingError: Neither a file nor `random` was chosen, or both.
        EmbeddingsError: The file cannot be read.
    """
    skip = is_filler if recipe.features.fillers == "dropped" else lambda word: False
    words = {normalise_word(w.word) for utterance in corpus.utterances for w in utterance.words if not skip(w.word)}
    if random and glove is not None:
        raise TrainingError("--embeddings random does not use --glove FILE: omit one of them")
    if random:
        return random_embeddings(words, recipe.network.embedding_dim, recipe.training.seed)
    if glove is None:
        raise TrainingError(
            "word vectors are required: --glove FILE (glove.840B.300d.txt from nlp.stanford.edu/projects/glove), "
            "--embeddings random to learn them from the corpus alone, or --init starter to begin with those of a bundle"
        )
    embeddings = load_glove(glove, words, recipe.training.seed)
    dim, configured = embeddings.table.shape[1], recipe.network.embedding_dim
    if configured not in (dim, NetworkConfig().embedding_dim):
        raise TrainingError(
            f"--set network.embedding_dim={configured}: the vectors in {glove} have {dim} values; omit the setting"
        )
    print_missing_words(embeddings)
    return embeddings


def order_labels(present: Iterable[str]) -> tuple[str, ...]:
    """Labels in the order of the classes: those of IEMOCAP in their order, then the others alphabetically."""
    labels = set(present)
    return (*(label for label in ALL_LABELS if label in labels), *sorted(labels - set(ALL_LABELS)))


def prepare_run(
    run: Run,
    corpus: Corpus,
    recipe: Recipe,
    embeddings: Embeddings,
    cache: Path,
    processes: int,
    system: str = "can",
    initial: InitialWeights | None = None,
) -> None:
    """Extract the features that are not cached, and write the data that folds need.

    Args:
        run: Run to write.
        corpus: Corpus to train and test on.
        recipe: Settings, including those of the system.
        embeddings: Word vectors.
        cache: Folder of cached features.
        processes: Number of processes for feature extraction.
        system: Key in `SYSTEMS`.
        initial: Weights to begin with; None for random ones.

    Raises:
        TrainingError: The corpus has fewer than two labels, or the segmentation does not fit the system.
        CorpusFileError: A wav cannot be decoded.
    """
    labels = order_labels(utterance.label for utterance in corpus.utterances)
    if len(labels) < 2:
        raise TrainingError(f"the corpus has the labels {list(labels)}; at least two are needed")
    if system.startswith("can") and recipe.features.segmentation == "whole":
        raise TrainingError("features.segmentation=whole: CAN reads one segment per word; use aligned or equal")
    if recipe.training.mixup and not system.startswith("can"):
        raise TrainingError("training.mixup: only CAN mixes utterances; set it to 0 for the other systems")
    features = bind_encoder(recipe.features)
    network = replace(recipe.network, embedding_dim=embeddings.table.shape[1], frame_size=features.frame_size)
    description = f"{corpus.name}, {len(corpus.utterances)} utterances"
    experiment = Experiment(description, labels, features, network, recipe.training, embeddings.source, system)
    speeds, spec = recipe.training.augmentation.speeds, features
    data = PreparedData(
        by_speed=tuple(
            cached_feature_set(corpus.utterances, spec, speed=speed, processes=processes, cache=cache)
            for speed in speeds
        ),
        embeddings=embeddings,
        labels=np.array([labels.index(utterance.label) for utterance in corpus.utterances], np.int64),
        names=tuple(utterance.name for utterance in corpus.utterances),
        sources=tuple(utterance.source for utterance in corpus.utterances),
        initial=initial,
    )
    folders = [feature_folder(corpus.utterances, spec, speed, cache) for speed in speeds]
    if message := run.prepare(experiment, data, folders):
        print_line(message)
