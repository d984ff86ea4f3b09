"""What can go wrong between features and emotions.

ModelError
├── BundleError
│   ├── BundleMissingError        no such folder, or a file is missing from it
│   ├── BundleDamagedError        a checksum or a value does not fit
│   └── BundleVersionError        written by another version of the format
├── ProviderError                 the ONNX Runtime execution provider asked for is not there
├── CorpusError
│   ├── CorpusMissingError        the folder is not such a corpus
│   └── CorpusFileError           a file in it is damaged
├── EmbeddingsError               the word vectors cannot be read
├── ExportParityError             the exported graph does not compute what the network computes
└── TrainingError                 the data cannot be trained on as asked

Facts are attributes; the message says what was wrong, what was got and what to do.
"""

from pathlib import Path

from alignment.errors import CanSerError


class ModelError(CanSerError):
    """Base of everything that `model` raises about data or environment."""


class BundleError(ModelError):
    """The folder cannot be served."""


class BundleMissingError(BundleError):
    """A file of the bundle is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} is not there; a bundle is a folder written by `python -m model.train --out DIR`, "
            "the shipped one is named `starter`"
        )


class BundleDamagedError(BundleError):
    """A file of the bundle was altered or makes no sense."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}; restore the bundle, or train it again with `python -m model.train`")


class BundleVersionError(BundleError):
    """Another format version."""

    def __init__(self, path: Path, got: object, supported: int) -> None:
        self.path, self.got, self.supported = path, got, supported
        super().__init__(
            f"{path}: bundle format {got!r}, this program reads {supported}; export the bundle again with it"
        )


class ProviderError(ModelError):
    """ONNX Runtime lacks the execution provider."""

    def __init__(self, provider: str, available: list[str]) -> None:
        self.provider, self.available = provider, available
        super().__init__(f"ONNX Runtime has no {provider}, only {', '.join(available)}; choose one of these or `auto`")


class CorpusError(ModelError):
    """The training data cannot be read."""


class CorpusMissingError(CorpusError):
    """The folder does not look like the corpus."""

    def __init__(self, root: Path, expected: str) -> None:
        self.root, self.expected = root, expected
        super().__init__(f"{root} holds no {expected}; point --root at the folder that does")


class CorpusFileError(CorpusError):
    """A file of the corpus is damaged."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        self.path, self.line, self.reason = path, line, reason
        super().__init__(f"{path}: {reason}" if line is None else f"{path}:{line}: {reason}")


class EmbeddingsError(ModelError):
    """A file of word vectors is missing or damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"{path}: {reason}; give a GloVe text file (glove.840B.300d.txt from nlp.stanford.edu/projects/glove) "
            "with --glove, or say --embeddings random"
        )


class ExportParityError(ModelError):
    """ONNX and PyTorch disagree."""

    def __init__(self, output: str, difference: float, tolerance: float, provider: str) -> None:
        self.output, self.difference, self.tolerance, self.provider = output, difference, tolerance, provider
        super().__init__(
            f"{provider} differs from PyTorch by {difference:.2e} in {output!r}, more than {tolerance:.0e}; "
            "the bundle was not written"
        )


class TrainingError(ModelError):
    """A split or a setting cannot be trained on."""
