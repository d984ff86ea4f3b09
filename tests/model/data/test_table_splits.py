from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from model.corpora.records import CorpusUtterance
from model.data.splits import Split
from model.data.table_splits import TableFolds, TableProtocol, choose_table_folds, served_table_split
from model.errors import TrainingError


def make(speakers: Sequence[str], sessions: Sequence[int] | None = None) -> list[CorpusUtterance]:
    """Utterances with two labels in turn."""
    return [
        CorpusUtterance(str(i), sessions[i] if sessions else 0, speaker, str(i), "improvised", "ab"[i % 2], Path(), ())
        for i, speaker in enumerate(speakers)
    ]


def fold(
    utterances: Sequence[CorpusUtterance], folds: TableFolds = "auto", parts: Sequence[str] = (), validate: bool = True
) -> TableProtocol:
    return choose_table_folds(utterances, parts or [""] * len(utterances), folds, validate=validate)


def groups(split: Split, names: Sequence[str]) -> list[set[str]]:
    return [{names[index] for index in part} for part in (split.train, split.validation, split.test)]


def check_tested_once(protocol: TableProtocol, count: int) -> None:
    """Every utterance is tested once, and every fold uses all utterances, none in two parts."""
    tested = np.concatenate([split.test for split in protocol.splits])
    assert sorted(tested.tolist()) == list(range(count))
    for split in protocol.splits:
        assert sorted(np.concatenate((split.train, split.validation, split.test)).tolist()) == list(range(count))


@pytest.mark.parametrize("count", [3, 4, 10, 24])
@pytest.mark.parametrize("validate", [True, False])
def test_no_speaker_is_in_two_parts(count: int, validate: bool) -> None:
    speakers = [f"s{index}" for index in range(count) for _ in range(4)]
    protocol = fold(make(speakers), validate=validate)
    assert len(protocol.splits) == min(10, count)
    check_tested_once(protocol, len(speakers))
    for split in protocol.splits:
        train, validation, test = groups(split, speakers)
        assert not (train & test) | (train & validation) | (validation & test)
        assert bool(validation) is validate
    train, validation, _ = groups(protocol.served, speakers)
    assert not train & validation
    assert train | validation == set(speakers)
    assert protocol.description.startswith("by speaker")


def test_two_speakers_are_each_tested_once() -> None:
    speakers = ["x"] * 20 + ["y"] * 20
    protocol = fold(make(speakers))
    assert [groups(split, speakers)[2] for split in protocol.splits] in ([{"x"}, {"y"}], [{"y"}, {"x"}])
    assert all(groups(split, speakers)[1] == groups(split, speakers)[0] for split in protocol.splits)
    assert protocol.notes == ("There are two groups by speaker: early stopping uses recordings of the training part.",)


def test_single_speaker_is_refused_unless_folds_are_random() -> None:
    utterances = make(["only"] * 40)
    with pytest.raises(TrainingError, match=r"all of one speaker, 'only'.*--folds 10"):
        fold(utterances)
    check_tested_once(fold(utterances, "10"), 40)


def test_speakers_and_sessions_that_share_are_one_group() -> None:
    speakers = ["a", "b", "b", "c", "d", "d", "e", "f"] * 4
    sessions = [1, 1, 2, 2, 3, 3, 4, 5] * 4
    protocol = fold(make(speakers, sessions))
    assert protocol.description == "by speaker and session (neither is in two parts)"
    for split in protocol.splits:
        for names in (speakers, [str(session) for session in sessions]):
            train, validation, test = groups(split, names)
            assert not (train & test) | (train & validation) | (validation & test)


def test_one_session_of_all_speakers_gives_folds_by_speaker() -> None:
    assert fold(make(["a", "b", "c"] * 4, [1] * 12)).description.startswith("by speaker (")


def test_one_speaker_of_several_sessions_is_folded_by_session() -> None:
    assert fold(make(["only"] * 12, [1, 2, 3, 4] * 3)).description.startswith("by session")


def test_sessions_alone_are_folded() -> None:
    protocol = fold(make([""] * 12, [1, 2, 3, 4] * 3))
    assert protocol.description.startswith("by session")
    assert len(protocol.splits) == 4


def test_unknown_speakers_give_random_folds_and_a_note() -> None:
    protocol = fold(make([""] * 40))
    check_tested_once(protocol, 40)
    assert protocol.description.startswith("at random")
    assert "does not name speakers" in protocol.notes[0]


def test_few_recordings_give_fewer_folds() -> None:
    assert len(fold(make([""] * 8)).splits) == 4
    with pytest.raises(TrainingError, match="the label 'b' has 2 recordings; random folds need at least 3"):
        fold(make([""] * 5))
    assert len(fold(make([""] * 5), validate=False).splits) == 2


def test_split_of_the_table_is_used_and_served() -> None:
    parts = ["train"] * 20 + ["validation"] * 4 + ["test"] * 8
    protocol = fold(make([""] * 32), parts=parts)
    [split] = protocol.splits
    assert protocol.served is split
    assert [part.tolist() for part in (split.train, split.validation, split.test)] == [
        list(range(20)),
        list(range(20, 24)),
        list(range(24, 32)),
    ]


def test_missing_validation_part_is_taken_from_training_part() -> None:
    parts = ["train"] * 40 + ["test"] * 8
    protocol = fold(make(["a"] * 24 + ["b"] * 24), parts=parts)
    [split] = protocol.splits
    assert len(split.validation) == 4
    assert max(split.validation) < 40
    assert "1 of 1 test speakers are training speakers too" in protocol.notes[0]
    assert "no validation part" in protocol.notes[1]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["train"] * 8, "no row has the split 'test'"),
        (["train", "test"] * 4, "no row of the split 'train' has the label 'b'"),
    ],
)
def test_incomplete_split_is_refused(parts: list[str], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        fold(make([""] * 8), parts=parts)


@pytest.mark.parametrize("folds", ["speaker", "session", "split"])
def test_missing_column_is_named(folds: TableFolds) -> None:
    with pytest.raises(TrainingError, match=f"--folds {folds}: the table has no column '{folds}'"):
        fold(make([""] * 8), folds)


def test_label_of_one_speaker_is_noted() -> None:
    utterances = make(["a", "a", "b", "b", "c", "c"])
    rare = [*utterances, *(make(["a"])[:1])]
    changed = [
        CorpusUtterance(u.name, 0, u.speaker, u.dialog, "improvised", "rare", Path(), ()) if i == 6 else u
        for i, u in enumerate(rare)
    ]
    assert "Only one speaker has rare" in fold(changed).notes[0]


def test_folds_are_deterministic() -> None:
    for speakers in ([""] * 40, [f"s{index % 12}" for index in range(48)]):
        first, second = (fold(make(speakers)) for _ in range(2))
        for one, other in zip(first.splits, second.splits, strict=True):
            assert all((getattr(one, part) == getattr(other, part)).all() for part in ("train", "validation", "test"))


def test_served_split_without_folds_holds_out_every_label() -> None:
    labels = ["a"] * 15 + ["b"] * 15
    split = served_table_split(labels, validate=True)
    assert {labels[index] for index in split.validation} == {"a", "b"}
    assert len(split.train) + len(split.validation) == 30
    assert not len(served_table_split(labels, validate=False).validation)
