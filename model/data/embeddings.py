"""Initial word vectors: from a file in GloVe's text format, or random ones on explicit request.

Source: Pennington, Socher, Manning 2014, "GloVe: Global Vectors for Word Representation", EMNLP.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.transcripts.normalisation import normalise_word
from model.errors import EmbeddingsError
from model.vocabulary import Vocabulary

SERVED_WORDS: Final = 40_000
_UNKNOWN_RANGE: Final = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """A vocabulary and its table.

    Attributes:
        vocabulary: Words of the corpus, then the most frequent words of the file.
        table: (vocabulary, embedding_dim) float32; row 0, padding, is zero; row 1 is the unknown word.
        source: Description of the vectors' source.
        not_found: Words of the corpus that are missing in the file.
    """

    vocabulary: Vocabulary
    table: NDArray[np.float32]
    source: str
    not_found: tuple[str, ...]


def load_glove(path: Path, corpus_words: Iterable[str], seed: int, served_words: int = SERVED_WORDS) -> Embeddings:
    """Vectors of the words of a corpus and of the most frequent words of a file.

    A word of the corpus is looked up in lower case, then in upper case, then capitalised; a missing one gets uniform
    random values in ±0.25.

    Args:
        path: GloVe text file, one word and its vector per line, most frequent first.
        corpus_words: Normalised words of the whole corpus.
        seed: Seed of the random vectors.
        served_words: Number of frequent words of the file to add, for speech outside the corpus.

    Raises:
        EmbeddingsError: The file is missing, empty or has a damaged line.
    """
    required = {word for word in corpus_words if word}
    spellings = {spelling for word in required for spelling in _spellings(word)}
    vectors: dict[str, NDArray[np.float32]] = {}
    frequent: list[str] = []
    for number, word, values in _read_lines(path):
        is_frequent = len(frequent) < served_words and word not in vectors and normalise_word(word) == word
        if is_frequent:
            frequent.append(word)
        if is_frequent or word in spellings:
            vectors.setdefault(word, _parse_vector(path, number, values))
    if not vectors:
        raise EmbeddingsError(path, "the file is empty, or contains no word of the corpus")
    words = sorted(required) + [word for word in frequent if word not in required]
    table = _random_table(len(words), len(next(iter(vectors.values()))), seed)
    not_found = []
    for row, word in enumerate(words, start=2):
        vector = next((vectors[spelling] for spelling in _spellings(word) if spelling in vectors), None)
        if vector is None:
            not_found.append(word)
        else:
            table[row] = vector
    return Embeddings(Vocabulary(words), table, path.name, tuple(not_found))


def random_embeddings(corpus_words: Iterable[str], dim: int, seed: int) -> Embeddings:
    """Uniform random vectors in ±0.25 for the words of a corpus."""
    words = sorted({word for word in corpus_words if word})
    source = "random vectors, learnt from the corpus alone"
    return Embeddings(Vocabulary(words), _random_table(len(words), dim, seed), source, tuple(words))


def _random_table(words: int, dim: int, seed: int) -> NDArray[np.float32]:
    """(words + 2, dim) uniform random values, zero for padding."""
    rng = np.random.default_rng(seed)
    table = rng.uniform(-_UNKNOWN_RANGE, _UNKNOWN_RANGE, (words + 2, dim)).astype(np.float32)
    table[0] = 0.0
    return table


def write_glove(path: Path, words: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Write a file in GloVe's text format."""
    with path.open("w", encoding="utf-8") as file:
        for word, vector in zip(words, vectors, strict=True):
            file.write(f"{word} {' '.join(f'{value:.4f}' for value in vector)}\n")


def _spellings(word: str) -> tuple[str, ...]:
    return word, word.upper(), word.capitalize()


def _read_lines(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, word and values of each line; a word may contain spaces, a value never does."""
    if not path.is_file():
        raise EmbeddingsError(path, "no such file")
    dim = 0
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            dim = dim or line.count(" ")
            word, *values = line.rstrip("\n").rsplit(" ", dim)
            if dim < 2 or not word or len(values) != dim:
                raise EmbeddingsError(path, f"line {number} is not a word and {dim or 'some'} numbers")
            yield number, word, values


def _parse_vector(path: Path, number: int, values: list[str]) -> NDArray[np.float32]:
    try:
        vector = np.array(values, np.float32)
    except ValueError as exc:
        raise EmbeddingsError(path, f"line {number} has a value that is not a number") from exc
    if not np.isfinite(vector).all():
        raise EmbeddingsError(path, f"line {number} has a value that is not finite")
    return vector
