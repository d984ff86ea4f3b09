"""Word vectors to start from: GloVe's text format, or random ones when that is said aloud.

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
        vocabulary: corpus words first, then the most frequent words of the file.
        table: (vocabulary, embedding_dim) float32; row 0, padding, is zero; row 1 is the unknown word's.
        source: where the vectors come from, in words.
        not_found: corpus words that the file lacks.
    """

    vocabulary: Vocabulary
    table: NDArray[np.float32]
    source: str
    not_found: tuple[str, ...]


def load_glove(path: Path, corpus_words: Iterable[str], seed: int, served_words: int = SERVED_WORDS) -> Embeddings:
    """Vectors of the corpus words and of the file's first, most frequent, words.

    A corpus word is looked up in lower case, then as it would be written, then capitalised; one that is not found gets
    uniform random values in ±0.25.

    Args:
        path: GloVe text file, one word and its vector per line, most frequent first.
        corpus_words: normalised words of the whole corpus.
        seed: of the random vectors.
        served_words: how many words of the file are kept besides, so that speech outside the corpus is understood.

    Raises:
        EmbeddingsError: the file is missing, empty, or a line has another length than the first.
    """
    wanted = {word for word in corpus_words if word}
    spellings = {spelling for word in wanted for spelling in _spellings(word)}
    found: dict[str, NDArray[np.float32]] = {}
    frequent: list[str] = []
    for number, word, values in _read_lines(path):
        frequent_enough = len(frequent) < served_words and word not in found and normalise_word(word) == word
        if frequent_enough:
            frequent.append(word)
        if frequent_enough or word in spellings:
            found.setdefault(word, _parse_vector(path, number, values))
    if not found:
        raise EmbeddingsError(path, "the file is empty, or holds none of the corpus's words")
    ordered = sorted(wanted)
    words = ordered + [word for word in frequent if word not in wanted]
    rng = np.random.default_rng(seed)
    dim = len(next(iter(found.values())))
    table = rng.uniform(-_UNKNOWN_RANGE, _UNKNOWN_RANGE, (len(words) + 2, dim)).astype(np.float32)
    table[0] = 0.0
    not_found = []
    for row, word in enumerate(words, start=2):
        vector = next((found[s] for s in _spellings(word) if s in found), None)
        if vector is None:
            not_found.append(word)
        else:
            table[row] = vector
    return Embeddings(Vocabulary(words), table, path.name, tuple(not_found))


def random_embeddings(corpus_words: Iterable[str], dim: int, seed: int) -> Embeddings:
    """Uniform random vectors in ±0.25 for the corpus words."""
    words = sorted({word for word in corpus_words if word})
    rng = np.random.default_rng(seed)
    table = rng.uniform(-_UNKNOWN_RANGE, _UNKNOWN_RANGE, (len(words) + 2, dim)).astype(np.float32)
    table[0] = 0.0
    return Embeddings(Vocabulary(words), table, "random vectors, learnt from the corpus alone", tuple(words))


def write_glove(path: Path, words: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Writes GloVe's text format."""
    with path.open("w", encoding="utf-8") as file:
        for word, vector in zip(words, vectors, strict=True):
            file.write(f"{word} {' '.join(f'{value:.4f}' for value in vector)}\n")


def _spellings(word: str) -> tuple[str, ...]:
    return word, word.upper(), word.capitalize()


def _read_lines(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, word and values; a token may hold spaces, a vector never does."""
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
        raise EmbeddingsError(path, f"line {number} has a value that is no number") from exc
    if not np.isfinite(vector).all():
        raise EmbeddingsError(path, f"line {number} has a value that is not finite")
    return vector
