"""Words and their indices, stored as one word per line in `vocabulary.txt`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from model.bundle_files import read_text
from model.errors import BundleDamagedError

PADDING: Final = 0
UNKNOWN: Final = 1
_FIRST_WORD: Final = 2


class Vocabulary:
    """Index of normalised words; 0 is padding, 1 the unknown word."""

    def __init__(self, words: Sequence[str]) -> None:
        """Index words in the given order.

        Args:
            words: Normalised unique words, without padding and the unknown word.

        Raises:
            ValueError: A word is empty or occurs twice.
        """
        self.words = tuple(words)
        self._indices = {word: index for index, word in enumerate(self.words, start=_FIRST_WORD)}
        if "" in self._indices or len(self._indices) != len(self.words):
            raise ValueError("a vocabulary contains each word once and no empty word")

    def __len__(self) -> int:
        """Number of rows of the embedding table: words, padding and the unknown word."""
        return len(self.words) + _FIRST_WORD

    def __contains__(self, word: str) -> bool:
        return self.index(word) != UNKNOWN

    def index(self, word: str) -> int:
        """Index of a normalised word; an unlisted compound has the index of its last listed part.

        "forty-two" → its own index, else that of "two", else that of "forty", else 1.
        """
        if word in self._indices or "-" not in word:
            return self._indices.get(word, UNKNOWN)
        return next((self._indices[part] for part in reversed(word.split("-")) if part in self._indices), UNKNOWN)

    def indices(self, words: Iterable[str]) -> list[int]:
        """Indices of words."""
        return [self.index(word) for word in words]

    def write(self, path: Path) -> None:
        """Write one word per line."""
        path.write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read a file written by `write`.

        Raises:
            BundleDamagedError: The file is not UTF-8 or too large, or a word is empty or occurs twice.
        """
        try:
            return cls(read_text(path).split("\n")[:-1])
        except ValueError as exc:
            raise BundleDamagedError(path, f"not a list of unique words ({exc})") from exc
