"""Tokens of Moonshine, and the written words that they spell."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SPACE = "\u2581".encode()


@dataclass(frozen=True, slots=True)
class WrittenWord:
    """Word with punctuation and capitals, and the range of tokens that spell it, end exclusive."""

    text: str
    first_token: int
    end_token: int


class Tokenizer:
    """Vocabulary of byte strings, in which "▁" stands for a space."""

    def __init__(self, data: bytes) -> None:
        """Parse a vocabulary.

        Args:
            data: Byte strings in the order of their indices, each after its length: one byte below 128, or two bytes
                a, b for a - 128 + 128 b.
        """
        self._pieces = _parse(data)

    @classmethod
    def read(cls, path: Path) -> "Tokenizer":
        """Read a vocabulary file."""
        return cls(path.read_bytes())

    def words(self, tokens: Sequence[int]) -> list[WrittenWord]:
        """Split the text of a sequence of tokens at its spaces.

        Args:
            tokens: Indices without start and end.
        """
        spelled = [(byte, index) for index, token in enumerate(tokens) for byte in self._spell(token)]
        words: list[WrittenWord] = []
        first = 0
        for end in range(len(spelled) + 1):
            if end < len(spelled) and spelled[end][0] != ord(" "):
                continue
            if end > first:
                text = bytes(byte for byte, _ in spelled[first:end]).decode(errors="replace")
                words.append(WrittenWord(text, spelled[first][1], spelled[end - 1][1] + 1))
            first = end + 1
        return words

    def _spell(self, token: int) -> bytes:
        return self._pieces[token].replace(_SPACE, b" ")


def _parse(data: bytes) -> list[bytes]:
    pieces = []
    position = 0
    while position < len(data):
        length = data[position]
        position += 1
        if length >= 128:
            length += 128 * (data[position] - 1)
            position += 1
        pieces.append(data[position : position + length])
        position += length
    return pieces
