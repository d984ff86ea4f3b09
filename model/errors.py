"""Errors of bundles, corpora, training and export.

ModelError
├── BundleError
│   ├── BundleMissingError        the folder or a file of it does not exist
│   ├── BundleDamagedError        a checksum or a value is wrong
│   └── BundleVersionError        written by another version of the format
├── ProviderError                 the requested ONNX Runtime execution provider is not available
├── CorpusError
│   ├── CorpusMissingError        the folder does not contain the corpus
│   ├── CorpusFileError           a file of the corpus is damaged
│   └── TableError                rows or columns of a table cannot be used
├── EmbeddingsError               the word vectors cannot be read
├── ExportParityError             the exported graphs and the network compute different values
├── NetworkMissingError           the folder contains no stored network
└── TrainingError                 the data or the options do not allow the requested training
    └── DivergenceError           the loss is not finite, or grows

Facts are attributes; the message states what was wrong, the value and what to do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alignment.errors import CanSerError

_SHOWN_FAULTS: Final = 10


class ModelError(CanSerError):
    """Base of all errors that `model` raises about data or environment."""


class BundleError(ModelError):
    """The folder cannot be served."""


class BundleMissingError(BundleError):
    """The folder or a file of the bundle does not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} does not exist; a bundle is a folder written by `python -m model.train --out DIR`, "
            "and `starter` is the shipped one"
        )


class BundleDamagedError(BundleError):
    """A file of the bundle was altered or has invalid content."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}; restore the bundle, or train it again with `python -m model.train`")


class BundleVersionError(BundleError):
    """The bundle has another format version."""

    def __init__(self, path: Path, got: object, supported: int) -> None:
        self.path, self.got, self.supported = path, got, supported
        super().__init__(
            f"{path}: bundle format {got!r}, this program reads {supported}; export the bundle again with it"
        )


class ProviderError(ModelError):
    """ONNX Runtime does not have the execution provider."""

    def __init__(self, provider: str, available: list[str]) -> None:
        self.provider, self.available = provider, available
        super().__init__(f"ONNX Runtime has no {provider}, only {', '.join(available)}; choose one of these or `auto`")


class CorpusError(ModelError):
    """The training data cannot be read."""


class CorpusMissingError(CorpusError):
    """The folder does not contain the corpus."""

    def __init__(self, root: Path, expected: str, option: str) -> None:
        self.root, self.expected, self.option = root, expected, option
        super().__init__(f"{root} contains no {expected}; choose the folder of the corpus with {option}")


class CorpusFileError(CorpusError):
    """A file of the corpus is damaged."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        self.path, self.line, self.reason = path, line, reason
        super().__init__(f"{path}: {reason}" if line is None else f"{path}:{line}: {reason}")


class TableError(CorpusError):
    """Rows or columns of a table cannot be used."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        self.path, self.faults = path, tuple(faults)
        shown = "; ".join(faults[:_SHOWN_FAULTS])
        further = len(faults) - _SHOWN_FAULTS
        super().__init__(f"{path}: {shown}" + (f"; and {further} further faults" if further > 0 else ""))


class EmbeddingsError(ModelError):
    """A file of word vectors is missing or damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"{path}: {reason}; choose a GloVe text file (glove.840B.300d.txt from nlp.stanford.edu/projects/glove) "
            "with --glove, or use --embeddings random"
        )


class ExportParityError(ModelError):
    """ONNX and PyTorch compute different values."""

    def __init__(self, output: str, difference: float, tolerance: float, provider: str) -> None:
        self.output, self.difference, self.tolerance, self.provider = output, difference, tolerance, provider
        super().__init__(
            f"{provider} differs from PyTorch by {difference:.2e} in {output!r}, more than {tolerance:.0e}; "
            "the bundle was not written"
        )


class NetworkMissingError(ModelError):
    """The folder contains no stored network."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(f"{folder}: {reason}; choose a bundle, or the folder of a finished fold or run")


class TrainingError(ModelError):
    """The data or the options do not allow the requested training."""


class DivergenceError(TrainingError):
    """The loss is not finite, or grows far above that of guessing."""

    def __init__(self, epoch: int, loss: float, learning_rate: float) -> None:
        self.epoch, self.loss, self.learning_rate = epoch, loss, learning_rate
        super().__init__(
            f"training diverged in epoch {epoch}: the loss is {loss:.4g}; reduce --set "
            f"training.learning_rate={learning_rate:g}, or --set training.clip_norm"
        )
