"""From a corpus to a run folder: features in the cache, vocabulary and word vectors, labels."""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from alignment.transcripts.normalisation import is_filler, normalise_word
from model.atomic import exclusive_lock
from model.config import NetworkConfig
from model.corpora.iemocap import PAPER_LABELS
from model.corpora.records import Corpus
from model.data.cache import cached_feature_set, feature_folder
from model.data.embeddings import Embeddings, load_glove, random_embeddings
from model.data.prepared import PreparedData
from model.errors import TrainingError
from model.runs.folder import MovedRun, RunFolder
from model.training.experiment import Experiment
from model.training.recipes import Recipe


def check_device(device: str) -> None:
    """Refuses a GPU that is not there.

    Raises:
        TrainingError: torch finds none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda: torch finds no GPU; leave it out to train on the CPU")


def lock_run(path: Path) -> AbstractContextManager[None]:
    """Lock the folder of a run, so that one command at a time writes to it.

    Raises:
        TrainingError: Another command is using the folder.
    """
    return exclusive_lock(
        path,
        lambda: TrainingError(f"another command is using {path}; wait until it ends, or choose another --out"),
    )


def choose_embeddings(corpus: Corpus, recipe: Recipe, glove: Path | None, *, random: bool) -> Embeddings:
    """Word vectors for the words of a corpus; never random ones by accident.

    Raises:
        TrainingError: neither a file nor `random` was asked for.
        EmbeddingsError: the file cannot be read.
    """
    skip = is_filler if recipe.features.fillers == "dropped" else lambda word: False
    words = {normalise_word(w.word) for utterance in corpus.utterances for w in utterance.words if not skip(w.word)}
    if random and glove is not None:
        raise TrainingError("--embeddings random makes no use of --glove FILE: leave one of them out")
    if random:
        return random_embeddings(words, recipe.network.embedding_dim, recipe.training.seed)
    if glove is None:
        raise TrainingError(
            "word vectors are needed: --glove FILE (glove.840B.300d.txt from nlp.stanford.edu/projects/glove), "
            "or --embeddings random to learn them from the corpus alone"
        )
    table = load_glove(glove, words, recipe.training.seed)
    dim, asked = table.table.shape[1], recipe.network.embedding_dim
    if asked not in (dim, NetworkConfig().embedding_dim):
        raise TrainingError(
            f"--set network.embedding_dim={asked}: the vectors in {glove} have {dim} values; leave it out"
        )
    return table


def prepare_run(
    run: RunFolder,
    corpus: Corpus,
    recipe: Recipe,
    embeddings: Embeddings,
    cache: Path,
    processes: int,
    system: str = "can",
) -> MovedRun | None:
    """Extracts what is not in the cache, and writes what folds need.

    Args:
        run: folder to write to.
        corpus: what to learn.
        recipe: every choice; the system's own settings are in it already.
        embeddings: word vectors.
        cache: of extracted features.
        processes: that extract.
        system: name of a row.

    Returns:
        Where a run of other settings or data that was in the folder has been moved to, and why; else None.

    Raises:
        TrainingError: fewer than two labels.
        CorpusFileError: a wav cannot be decoded.
    """
    present = {utterance.label for utterance in corpus.utterances}
    labels = tuple(label for label in PAPER_LABELS if label in present)
    if len(labels) < 2:
        raise TrainingError(f"the corpus has the labels {sorted(present)}; at least two of {PAPER_LABELS} are needed")
    if system.startswith("can") and recipe.features.segmentation == "whole":
        raise TrainingError("features.segmentation=whole: CAN reads one segment per word; use aligned or equal")
    network = replace(recipe.network, embedding_dim=embeddings.table.shape[1], n_mfcc=recipe.features.mfcc.n_mfcc)
    described = f"{corpus.name}, {len(corpus.utterances)} utterances"
    experiment = Experiment(described, labels, recipe.features, network, recipe.training, embeddings.source, system)
    speeds = recipe.training.augmentation.speeds
    spec = recipe.features
    data = PreparedData(
        by_speed=tuple(
            cached_feature_set(corpus.utterances, spec, speed=speed, processes=processes, cache=cache)
            for speed in speeds
        ),
        embeddings=embeddings,
        labels=np.array([labels.index(utterance.label) for utterance in corpus.utterances], np.int64),
        names=tuple(utterance.name for utterance in corpus.utterances),
    )
    return run.prepare(experiment, data, [feature_folder(corpus.utterances, spec, speed, cache) for speed in speeds])
