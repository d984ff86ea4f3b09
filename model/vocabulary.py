"""Words and their indices; one line per word in `vocabulary.txt`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from model.errors import BundleDamagedError

PADDING: Final = 0
UNKNOWN: Final = 1
_FIRST_WORD: Final = 2


class Vocabulary:
    """Index of every normalised word; 0 is padding, 1 the unknown word."""

    def __init__(self, words: Sequence[str]) -> None:
        """Takes words in the order of their indices.

        Args:
            words: normalised, unique, without padding and unknown.

        Raises:
            ValueError: a word is empty or occurs twice.
        """
        self.words = tuple(words)
        self._indices = {word: index for index, word in enumerate(self.words, start=_FIRST_WORD)}
        if "" in self._indices or len(self._indices) != len(self.words):
            raise ValueError("a vocabulary holds each word once, and no empty one")

    def __len__(self) -> int:
        """Rows of the embedding table: words, padding and unknown."""
        return len(self.words) + _FIRST_WORD

    def __contains__(self, word: str) -> bool:
        return self.index(word) != UNKNOWN

    def index(self, word: str) -> int:
        """Index of a normalised word; a compound that is not listed counts as its last listed part.

        "forty-two" → its own index, else that of "two", else that of "forty", else 1.
        """
        found = self._indices.get(word)
        if found is None and "-" in word:
            parts = (self._indices.get(part) for part in reversed(word.split("-")))
            found = next((index for index in parts if index is not None), None)
        return UNKNOWN if found is None else found

    def indices(self, words: Iterable[str]) -> list[int]:
        """Index of each word."""
        return [self.index(word) for word in words]

    def write(self, path: Path) -> None:
        """One word per line."""
        path.write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Reads what `write` wrote.

        Raises:
            BundleDamagedError: not text, or a word is empty or occurs twice.
        """
        try:
            return cls(path.read_text(encoding="utf-8").split("\n")[:-1])
        except ValueError as exc:
            raise BundleDamagedError(path, f"not a list of unique words ({exc})") from exc
