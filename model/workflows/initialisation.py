"""Training that begins with a bundle: its recipe, its word vectors, and its weights."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from torch import nn

from alignment.pipeline import bind_encoder
from alignment.transcripts.normalisation import normalise_word
from model.bundle import Bundle, locate_bundle, read_bundle
from model.config import AugmentationConfig, TrainingConfig
from model.corpora.records import Corpus
from model.data.embeddings import Embeddings
from model.data.initial import InitialWeights
from model.errors import TrainingError
from model.export.onnx_graphs import check_parity
from model.network.ensemble import members_of
from model.network.from_bundle import read_network
from model.training.fine_tuning import initial_tensors, match_labels
from model.training.recipes import RECIPES, Recipe, change
from model.vocabulary import UNKNOWN, Vocabulary
from model.workflows.console import print_line

FINE_TUNING: Final = TrainingConfig(
    batch_size=32,
    learning_rate=5e-4,
    embedding_rate=0.0,
    weight_decay=0.01,
    label_smoothing=0.05,
    patience=10,
    max_epochs=50,
    augmentation=AugmentationConfig(word_dropout=0.1),
)
"""Training from the weights of a bundle; α is the bundle's."""

_CHANGEABLE: Final = ("dropout", "segment_dropout", "input_dropout", "input_noise", "stop_gradient")
"""Settings of a network that have no weights."""


@dataclass(frozen=True, slots=True, eq=False)
class InitialBundle:
    """A bundle to begin with.

    Attributes:
        bundle: The bundle.
        network: Its network.
    """

    bundle: Bundle
    network: nn.Module

    @property
    def name(self) -> str:
        """Name and version."""
        return f"{self.bundle.config.name} {self.bundle.version}"

    def weights(self) -> InitialWeights:
        """Weights without word vectors."""
        config = self.bundle.config
        return InitialWeights(initial_tensors(self.network), config.labels, config.normalisation, self.name)

    def describe(self, labels: Sequence[str], words: Embeddings) -> dict[str, Any]:
        """Section `initial` of metrics.json."""
        config = self.bundle.config
        shared = [labels[after] for _, after in match_labels(config.labels, tuple(labels))]
        return {
            "bundle": config.name,
            "version": self.bundle.version,
            "trained_on": config.origin.trained_on,
            "licence": config.origin.licence,
            "labels_kept": shared,
            "labels_new": [label for label in labels if label not in shared],
            "words_new": len(words.not_found),
        }


def open_initial(name_or_path: str) -> InitialBundle:
    """Read a bundle and its network, and compare both.

    Raises:
        BundleError: The bundle cannot be read.
        ExportParityError: Its graphs compute something else than the network does.
    """
    bundle = read_bundle(locate_bundle(name_or_path))
    network = read_network(bundle)
    check_parity(network, bundle.config.alpha, bundle.folder, "CPUExecutionProvider")
    return InitialBundle(bundle, network)


def choose_initial_recipe(initial: InitialBundle, name: str | None, settings: Sequence[str]) -> Recipe:
    """Features and network of the bundle, and a training.

    Args:
        initial: The bundle.
        name: Recipe whose training is used; None for `FINE_TUNING`.
        settings: Changes, in the format of `change`.

    Raises:
        TrainingError: The recipe or a setting needs other features or another network than the bundle has.
    """
    config = initial.bundle.config
    if name is not None and name not in RECIPES:
        raise TrainingError(f"--recipe {name!r}: choose one of {', '.join(RECIPES)}, or omit it")
    if name is not None and RECIPES[name].features.front_end != config.features.front_end:
        raise TrainingError(
            f"--recipe {name} reads {RECIPES[name].features.front_end!r}, --init {config.name} reads "
            f"{config.features.front_end!r}: omit --recipe, or begin with another bundle"
        )
    training = FINE_TUNING if name is None else RECIPES[name].training
    base = Recipe(config.features, config.network, replace(training, alpha=config.alpha))
    recipe = change(base, settings)
    _check_features(recipe, base, config.name)
    _check_network(recipe, base, config.name)
    return recipe


def _check_features(recipe: Recipe, base: Recipe, name: str) -> None:
    if recipe.features != base.features:
        raise TrainingError(f"--set features: --init {name} reads features of its own; omit the setting")
    if bind_encoder(base.features) != base.features:
        raise TrainingError(
            f"--init {name} needs the encoder with SHA-256 {base.features.encoder_sha256[:12]}…, another one is "
            "installed; begin with another bundle"
        )


def _check_network(recipe: Recipe, base: Recipe, name: str) -> None:
    before, after = asdict(base.network), asdict(recipe.network)
    changed = [key for key in before if before[key] != after[key] and key not in _CHANGEABLE]
    if changed:
        raise TrainingError(
            f"--set network.{changed[0]}={after[changed[0]]}: --init {name} has {before[changed[0]]}; omit the setting "
            f"(only {', '.join(_CHANGEABLE)} can be changed)"
        )


def extend_vocabulary(initial: InitialBundle, corpus: Corpus) -> Embeddings:
    """Word vectors of the bundle, and of the corpus's further words: each begins as the unknown word.

    Where word vectors are not trained (`training.embedding_rate=0`), a further word stays what it is in the bundle, the
    unknown word, and is not exported.
    """
    words = initial.bundle.vocabulary.words
    own = {normalise_word(word.word) for utterance in corpus.utterances for word in utterance.words} - {"", *words}
    further = tuple(sorted(own))
    table = members_of(initial.network)[0].text_encoder.embedding.weight.detach().numpy()
    unknown = np.repeat(table[UNKNOWN : UNKNOWN + 1], len(further), axis=0)
    if further:
        shown = ", ".join(further[:10])
        print_line(f"{len(further)} words of the corpus are not in the vocabulary of {initial.name}: {shown}")
    return Embeddings(
        Vocabulary((*words, *further)),
        np.concatenate((table, unknown)).astype(np.float32),
        f"{initial.bundle.config.origin.vectors} (as in the bundle {initial.name})",
        further,
    )
