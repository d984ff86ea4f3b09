from pathlib import Path

import numpy as np
import pytest

from model.data.embeddings import load_glove, random_embeddings, write_glove
from model.errors import EmbeddingsError

GLOVE = """the 0.1 0.2 0.3
, 0.0 0.0 0.0
. . . 1.0 1.0 1.0
Paris 0.4 0.5 0.6
IBM 0.7 0.8 0.9
happy 1.5 -2.5 1e-3
rare 9.0 9.0 9.0
"""


@pytest.fixture
def glove(tmp_path: Path) -> Path:
    path = tmp_path / "glove.txt"
    path.write_text(GLOVE)
    return path


def test_lookup_in_lower_case_then_upper_case_then_capitalised(glove: Path) -> None:
    embeddings = load_glove(glove, {"the", "paris", "ibm", "unseen"}, seed=0, served_words=0)
    rows = {word: embeddings.table[embeddings.vocabulary.index(word)] for word in embeddings.vocabulary.words}
    np.testing.assert_allclose(rows["the"], [0.1, 0.2, 0.3])
    np.testing.assert_allclose(rows["paris"], [0.4, 0.5, 0.6])
    np.testing.assert_allclose(rows["ibm"], [0.7, 0.8, 0.9])
    assert embeddings.not_found == ("unseen",)
    assert np.abs(rows["unseen"]).max() <= 0.25
    np.testing.assert_array_equal(embeddings.table[0], 0)


def test_frequent_words_of_the_file_are_added(glove: Path) -> None:
    embeddings = load_glove(glove, {"the"}, seed=0, served_words=2)
    # Punctuation is not a word and "Paris" is not normalised; "the" and "happy" are the first two words.
    assert embeddings.vocabulary.words == ("the", "happy")


def test_tokens_with_spaces_are_skipped(glove: Path) -> None:
    assert ". . ." not in load_glove(glove, {"the"}, seed=0).vocabulary.words


def test_written_vectors_read_back(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    vectors = np.array([[0.12345, -1.0], [2.0, 3.0]], np.float32)
    write_glove(path, ["one", "two"], vectors)
    embeddings = load_glove(path, {"one"}, seed=0)
    np.testing.assert_allclose(embeddings.table[2:], vectors, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("the 0.1 0.2\nhappy 0.1\n", "line 2"),
        ("the 0.1 zero\n", "not a number"),
        ("the 0.1 nan\n", "not finite"),
        ("the\n", "line 1"),
    ],
)
def test_damage_is_reported(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "glove.txt"
    path.write_text(text)
    with pytest.raises(EmbeddingsError, match=reason):
        load_glove(path, {"the", "happy"}, seed=0)


def test_missing_file_error_names_option_and_source(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingsError, match="--glove.*--embeddings random"):
        load_glove(tmp_path / "none.txt", {"the"}, seed=0)


def test_random_vectors_are_described_as_random() -> None:
    embeddings = random_embeddings({"b", "a", ""}, dim=5, seed=3)
    assert embeddings.vocabulary.words == ("a", "b")
    assert embeddings.table.shape == (4, 5)
    assert "random" in embeddings.source
    np.testing.assert_array_equal(embeddings.table, random_embeddings({"a", "b"}, 5, 3).table)
