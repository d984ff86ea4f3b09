from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from model.data import emotion_vectors
from model.data.emotion_vectors import TuningTexts, comment_words, frequent_words, main, reduce_dimensions, tune


def test_reduction_preserves_distances() -> None:
    generator = np.random.default_rng(0)
    plane = generator.standard_normal((50, 2)).astype(np.float32)
    wide = plane @ generator.standard_normal((2, 20)).astype(np.float32)
    reduced = reduce_dimensions(wide, 2, fitted_on=50)
    assert reduced.shape == (50, 2)

    def distances(vectors: np.ndarray) -> np.ndarray:
        norms: np.ndarray = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1).ravel()
        return norms

    centred = wide - wide.mean(axis=0)
    assert np.corrcoef(distances(reduced), distances(centred))[0, 1] > 0.95


def test_words_of_the_comments_are_added_to_the_frequent_ones() -> None:
    frequent = frequent_words(30)
    assert len(frequent) == 30
    assert frequent[0] in {"the", "i", "to", "and", "a", "you"}
    texts = TuningTexts([("meh", frequent[0]), ("meh", "once"), (frequent[0],)], np.zeros((3, 1), np.float32))
    assert comment_words(texts, frequent) == ["meh"]


def test_tuning_aligns_words_of_one_emotion() -> None:
    words = ["awful", "great", "the", "bad", "good"]
    texts = TuningTexts(
        words=[("the", word) for word in ("awful", "bad", "great", "good")] * 64,
        classes=np.array([[1, 0], [1, 0], [0, 1], [0, 1]] * 64, np.float32),
    )
    start = 0.01 * np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    tuned = tune(start, words, texts, epochs=20, seed=0)
    awful, great, _, bad, good = tuned
    assert awful @ bad > 0 > awful @ good
    assert great @ good > 0 > great @ bad
    np.testing.assert_array_equal(tuned, tune(start, words, texts, epochs=20, seed=0))


@pytest.fixture
def comments(tmp_path: Path) -> Path:
    """Comments in the format of GoEmotions: "zyzzyva" occurs twice, "quokka" once."""
    (tmp_path / "labels.txt").write_text("admiration\nneutral\n")
    (tmp_path / "train.tsv").write_text("the zyzzyva and the zyzzyva\t0\tid1\nthe quokka\t0\tid2\n")
    for name in ("dev", "test"):
        (tmp_path / f"{name}.tsv").write_text("and the\t0\tid3\n")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "added", "counts"),
    [
        ((), ["zyzzyva"], "13 words of 4 values (12 of the language model, 1 of the comments), not tuned"),
        (("--no-comment-words",), [], "12 words of 4 values (12 of the language model, 0 of the comments), not tuned"),
    ],
)
def test_command_writes_and_prints_the_requested_words(
    comments: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], added: list[str], counts: str
) -> None:
    """Without the word pieces of the extra `starter`, in whose place are random vectors."""
    generator = np.random.default_rng(0)

    def vectors(words: list[str]) -> np.ndarray:
        return generator.standard_normal((len(words), 384)).astype(np.float32)

    monkeypatch.setattr(emotion_vectors, "word_piece_vectors", vectors)
    monkeypatch.setattr(emotion_vectors, "require_extra", lambda *_: None)
    app = typer.Typer()
    app.command()(main)
    out = comments / "vectors.txt"
    sizes = ("--words", "12", "--dim", "4", "--epochs", "0")
    result = CliRunner().invoke(app, ["--goemotions", str(comments), "--out", str(out), *sizes, *options])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"{counts}, written to {out}"
    assert [line.split()[0] for line in out.read_text().splitlines()] == frequent_words(12) + added
