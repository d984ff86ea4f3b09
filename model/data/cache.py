"""Cache of extracted features on disk.

A feature set is stored in a folder named by a digest of everything that determines its values: corpus files,
FeatureSpec, speed and the code that computes features. The folder is written whole or not at all.
"""

import ast
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np

from alignment.features.extraction import FeatureSpec
from alignment.user_folders import cache_folder
from model.atomic import atomic_folder
from model.corpora.records import CorpusUtterance
from model.data.features import FeatureSet, build_feature_set
from model.data.spans import build_spanned_set

_ARRAYS: Final = ("frames", "frame_counts", "segment_counts")
_FEATURE_CODE: Final = (
    *("audio.py", "containers.py", "level.py", "pipeline.py", "timing.py"),
    *("aligners/moonshine/encoder.py", "features", "transcripts/normalisation.py"),
)
"""Files and folders of `alignment` that determine the features."""


def default_cache() -> Path:
    """Cache folder of the user for this program."""
    return cache_folder()


def cached_feature_set(
    utterances: Sequence[CorpusUtterance], spec: FeatureSpec, *, speed: float, processes: int, cache: Path
) -> FeatureSet:
    """Features from the cache; they are extracted and stored first if they are missing.

    Args:
        utterances: Utterances of a corpus.
        spec: Feature specification.
        speed: See `build_feature_set`.
        processes: Number of processes for extraction.
        cache: Folder of all cached sets.

    Returns:
        The set, with memory-mapped arrays.
    """
    folder = feature_folder(utterances, spec, speed, cache)
    if not folder.is_dir():
        build = build_spanned_set if _are_spans(utterances) else build_feature_set
        features = build(utterances, spec, speed=speed, processes=processes)
        store_feature_set(features, folder)
    return load_feature_set(folder)


def feature_folder(utterances: Sequence[CorpusUtterance], spec: FeatureSpec, speed: float, cache: Path) -> Path:
    """Folder of a set, named by a digest of everything that determines its values."""
    digest = hashlib.sha256(json.dumps([asdict(spec), speed], sort_keys=True).encode())
    digest_code(digest, "alignment", _FEATURE_CODE)
    digest_code(digest, "model", ("data/features.py",))
    if _are_spans(utterances):
        digest_code(digest, "model", ("data/spans.py",))
        digest.update(repr([utterance.span for utterance in utterances]).encode())
    for utterance in utterances:
        stat = utterance.wav.stat()
        words = [(word.word, word.start_s, word.end_s) for word in utterance.words]
        digest.update(repr((utterance.name, stat.st_size, stat.st_mtime_ns, words)).encode())
    return cache / f"features-{digest.hexdigest()[:16]}"


def _are_spans(utterances: Sequence[CorpusUtterance]) -> bool:
    return any(utterance.span for utterance in utterances)


def digest_code(digest: "hashlib._Hash", package: str, names: Sequence[str]) -> None:
    """Add source files to a digest, without their comments and docstrings.

    Args:
        digest: Updated in place.
        package: Top-level package.
        names: Files, or folders whose modules are all added, relative to the package.
    """
    for name in names:
        path = Path(str(files(package))) / name
        for module in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(normalise_source(module.read_text(encoding="utf-8")).encode())


def normalise_source(source: str) -> str:
    """Source of a module without comments, docstrings and layout: what determines its behaviour."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                setattr(node, name, [statement for statement in statements if not _is_docstring(statement)])
    return ast.unparse(tree)


def _is_docstring(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def load_feature_set(folder: Path) -> FeatureSet:
    """Read a cached set."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
    return FeatureSet(words=tuple(tuple(row) for row in words), **arrays)


def store_feature_set(features: FeatureSet, folder: Path) -> None:
    """Write a set; one that another run has stored in the meantime is kept, as its content is the same."""
    with atomic_folder(folder, replace=False) as temporary:
        for name in _ARRAYS:
            np.save(temporary / f"{name}.npy", getattr(features, name))
        (temporary / "words.json").write_text(json.dumps(features.words), encoding="utf-8")
