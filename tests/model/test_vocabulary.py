from pathlib import Path

import pytest

from model.errors import BundleDamagedError
from model.vocabulary import UNKNOWN, Vocabulary


def test_indices_start_after_padding_and_unknown() -> None:
    vocabulary = Vocabulary(["a", "b"])
    assert vocabulary.indices(["a", "b", "c", ""]) == [2, 3, UNKNOWN, UNKNOWN]
    assert len(vocabulary) == 4
    assert "a" in vocabulary
    assert "c" not in vocabulary


def test_compound_has_index_of_its_last_listed_part() -> None:
    vocabulary = Vocabulary(["forty", "two", "well-known"])
    assert vocabulary.index("well-known") == 4
    assert vocabulary.index("forty-two") == 3
    assert vocabulary.index("forty-nine") == 2
    assert vocabulary.index("never-seen") == UNKNOWN


@pytest.mark.parametrize("words", [["a", "a"], ["a", ""]])
def test_words_are_unique_and_not_empty(words: list[str]) -> None:
    with pytest.raises(ValueError, match="once"):
        Vocabulary(words)


def test_written_vocabulary_is_read(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.txt"
    vocabulary = Vocabulary(["don't", "日本", "++laughter++", "\x85"])
    vocabulary.write(path)
    assert Vocabulary.read(path).words == vocabulary.words


def test_damaged_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.txt"
    path.write_text("a\n\nb\n")
    with pytest.raises(BundleDamagedError):
        Vocabulary.read(path)
