from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from model.corpora.records import CorpusUtterance
from model.data.protocols import choose_folds
from model.data.splits import corpus_folds, random_folds, served_split, session_folds
from model.data.table_splits import served_table_split
from model.errors import TrainingError


def utterances(sessions: int, each: int = 6) -> list[CorpusUtterance]:
    return [
        CorpusUtterance(f"u{s}{g}{i}", s, f"Ses{s:02d}{g}", f"d{s}", "improvised", "ang", Path("x"), ())
        for s in range(1, sessions + 1)
        for g in "FM"
        for i in range(each)
    ]


def test_random_folds_are_8_1_1_and_test_every_utterance_once() -> None:
    labels = ["ang"] * 60 + ["sad"] * 40
    splits = random_folds(labels)
    assert len(splits) == 10
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(100))
    for split in splits:
        assert (len(split.train), len(split.validation), len(split.test)) == (80, 10, 10)
        assert Counter(labels[i] for i in split.test) == {"ang": 6, "sad": 4}
        assert not set(split.train) & set(split.test) and not set(split.validation) & set(split.test)  # noqa: PT018


def test_fold_k_plus_one_validates_fold_k() -> None:
    splits = random_folds(["a", "b"] * 50)
    np.testing.assert_array_equal(splits[3].validation, splits[4].test)
    np.testing.assert_array_equal(splits[9].validation, splits[0].test)


def test_same_seed_gives_same_folds() -> None:
    labels = ["a", "b"] * 50
    np.testing.assert_array_equal(random_folds(labels)[2].test, random_folds(labels)[2].test)
    assert not np.array_equal(random_folds(labels)[2].test, random_folds(labels, seed=1)[2].test)


def test_label_too_rare_for_the_folds_is_refused() -> None:
    with pytest.raises(TrainingError, match="rarest label has 3"):
        random_folds(["a"] * 50 + ["b"] * 3)


def test_session_folds_separate_speakers() -> None:
    corpus = utterances(3)
    splits = session_folds(corpus)
    assert [split.name for split in splits] == ["Ses01F", "Ses01M", "Ses02F", "Ses02M", "Ses03F", "Ses03M"]
    for split in splits:
        parts = [{corpus[i].speaker for i in part} for part in (split.train, split.validation, split.test)]
        assert parts[2] == {split.name}
        assert len(parts[1]) == 1
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]  # noqa: PT018
        assert not {corpus[i].session for i in split.train} & {corpus[i].session for i in split.test}


def test_both_speakers_of_a_session_test_without_validation() -> None:
    corpus = utterances(3)
    splits = session_folds(corpus, validate=False)
    assert [split.name for split in splits] == ["Ses01", "Ses02", "Ses03"]
    for split in splits:
        assert not len(split.validation)
        assert {corpus[i].speaker for i in split.test} == {f"{split.name}F", f"{split.name}M"}
        assert len(split.train) + len(split.test) == len(corpus)


def test_served_split_holds_out_a_tenth() -> None:
    corpus = utterances(3)
    split = served_split(corpus, validate=True, by_session=False)
    assert sorted([*split.train, *split.validation]) == list(range(len(corpus)))
    assert len(split.validation) == max(1, len(corpus) // 10)
    assert not len(split.test)


def relabel(sessions: int, labels: Sequence[str]) -> list[CorpusUtterance]:
    return [replace(each, label=label) for each, label in zip(utterances(sessions), cycle(labels), strict=False)]


@pytest.mark.parametrize(
    ("labels", "served", "table", "loso"),
    [
        (("ang", "hap", "sad"), [2, 4, 18, 43], [0, 4, 15, 19, 47], [12, 27, 37, 38]),
        (("ang",) * 47 + ("hap",), [2, 4, 18, 43], [4, 26, 29, 30, 32], [16, 42, 46]),
    ],
)
def test_held_out_tenths_stay_the_same(
    labels: tuple[str, ...], served: list[int], table: list[int], loso: list[int]
) -> None:
    """Weights and figures that were published depend on them; the second corpus has a label with one utterance."""
    corpus = relabel(4, labels)
    assert served_split(corpus, validate=True, by_session=False).validation.tolist() == served
    own = [utterance.label for utterance in corpus]
    assert served_table_split(own, validate=True).validation.tolist() == table
    assert choose_folds("loso", corpus)[0].validation.tolist() == loso


def test_served_split_by_session_holds_out_one_speaker() -> None:
    corpus = utterances(3)
    split = served_split(corpus, validate=True, by_session=True)
    assert sorted([*split.train, *split.validation]) == list(range(len(corpus)))
    assert {corpus[i].speaker for i in split.validation} == {"Ses03M"}
    assert "Ses03M" not in {corpus[i].speaker for i in split.train}


def test_served_split_without_validation_trains_on_everything() -> None:
    split = served_split(utterances(2), validate=False, by_session=True)
    assert len(split.train) == len(utterances(2))
    assert not len(split.validation)


def test_single_session_is_refused() -> None:
    with pytest.raises(TrainingError):
        session_folds(utterances(1))


def test_corpus_is_left_out_of_training() -> None:
    """The last utterance is for training only."""
    corpora = ("b", "a", "b", "a", "b")
    without_a, without_b = corpus_folds(corpora, np.array([True, True, True, True, False]))
    assert (without_a.name, without_a.train.tolist(), without_a.test.tolist()) == ("without-a", [0, 2, 4], [1, 3])
    assert (without_b.name, without_b.train.tolist(), without_b.test.tolist()) == ("without-b", [1, 3], [0, 2])


def test_single_corpus_is_not_left_out() -> None:
    assert corpus_folds(("a", "a"), np.array([True, True])) == []
