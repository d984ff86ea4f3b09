"""Word errors of recognised against reference words."""

from collections.abc import Sequence
from dataclasses import dataclass

from alignment.transcripts.normalisation import is_filler, spoken_words
from alignment.transcripts.words import TimedWord
from model.corpora.records import Corpus


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Word errors of one utterance.

    Attributes:
        utterance: Name of the utterance.
        words: Number of reference words.
        errors: Smallest number of substitutions, insertions and deletions.
    """

    utterance: str
    words: int
    errors: int

    @property
    def rate(self) -> float:
        """Word error rate; that of an utterance without reference words is its number of errors."""
        return self.errors / max(1, self.words)


def count_errors(reference: Sequence[str], words: Sequence[str]) -> int:
    """Smallest number of substitutions, insertions and deletions between two sequences of words."""
    row = list(range(len(words) + 1))
    for at, expected in enumerate(reference, 1):
        before, row[0] = row[0], at
        for other, word in enumerate(words, 1):
            before, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, before + (expected != word))
    return row[-1]


def compare_words(reference: Corpus, recognised: Corpus) -> list[WordErrors]:
    """Word errors of every utterance of a corpus, without fillers; the corpora have the same utterances."""
    return [
        WordErrors(own.name, len(_spoken(own.words)), count_errors(_spoken(own.words), _spoken(other.words)))
        for own, other in zip(reference.utterances, recognised.utterances, strict=True)
    ]


def _spoken(words: Sequence[TimedWord]) -> list[str]:
    return [spoken for word in words if not is_filler(word.word) for spoken in spoken_words(word.word)]
