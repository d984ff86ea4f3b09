from pathlib import Path

import pytest

from model.corpora.goemotions import read_comments, read_goemotions
from model.errors import CorpusFileError, CorpusMissingError

NAMES = "admiration\namusement\nanger\nneutral\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "labels.txt").write_text(NAMES)
    (tmp_path / "train.tsv").write_text(
        "That is SO funny! \U0001f602\t1\tid1\nI hate 2 things\t2\tid2\nboth\t1,2\tid3\n"
    )
    (tmp_path / "dev.tsv").write_text("that is so funny\t1\tid4\nhm\t3\tid5\n")
    (tmp_path / "test.tsv").write_text("lovely work there\t0\tid6\nit is a table\t3\tid7\n")
    return tmp_path


def test_single_used_label_and_each_wording_once(root: Path) -> None:
    labels = {text.words: text.label for text in read_goemotions(root)}
    assert labels == {
        ("that", "is", "so", "funny"): "hap",
        ("i", "hate", "two", "things"): "ang",
        ("it", "is", "a", "table"): "neu",
    }


def test_comment_with_masked_name_is_excluded(root: Path) -> None:
    (root / "dev.tsv").write_text("[NAME]'s dog is so [RELIGION]\t1\tid4\n")
    [comment] = [comment for comment in read_comments(root) if comment.masked]
    assert comment.words == ("s", "dog", "is", "so")
    assert not any("dog" in text.words for text in read_goemotions(root))


def test_all_comments(root: Path) -> None:
    comments = read_comments(root)
    assert len(comments) == 7
    assert comments[2].classes == (1, 2)


@pytest.mark.parametrize("line", ["only text", "text\tx\tid", "text\t9\tid"])
def test_damage_is_reported_with_line(root: Path, line: str) -> None:
    (root / "dev.tsv").write_text(f"fine\t1\tid\n{line}\n")
    with pytest.raises(CorpusFileError) as caught:
        read_goemotions(root)
    assert caught.value.line == 2


def test_missing_file_is_refused(root: Path) -> None:
    (root / "labels.txt").unlink()
    with pytest.raises(CorpusMissingError, match=r"labels\.txt"):
        read_goemotions(root)


def test_real_comments(goemotions: Path) -> None:
    texts = read_goemotions(goemotions)
    assert len(texts) > 13_000
    assert all(2 <= len(text.words) <= 14 for text in texts)
