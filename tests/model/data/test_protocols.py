"""Folds of every protocol on a corpus in IEMOCAP's format: nothing leaks from a test part, and folds are the same."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from model.config import FoldsName
from model.corpora.iemocap import read_iemocap
from model.corpora.records import CorpusUtterance
from model.corpora.subsets import choose_utterances
from model.data.protocols import choose_folds, count_shared, describe_folds, describe_overlap
from model.data.splits import Split
from model.errors import TrainingError
from model.report.plan import text_of
from tests.builders import timed
from tests.model.corpora.iemocap_fixture import write_sessions

LABELS = ("ang", "hap", "exc", "sad", "neu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[CorpusUtterance, ...]:
    """Five sessions of two speakers; the scripted dialogue has the same words in all of them."""
    return read(tmp_path_factory.mktemp("sessions"), 7)


def read(root: Path, classes: int) -> tuple[CorpusUtterance, ...]:
    return choose_utterances(read_iemocap(write_sessions(root, 5, LABELS)), classes, "all").utterances


def values(corpus: Sequence[CorpusUtterance], part: Iterable[int], name: str) -> set[object]:
    return {getattr(corpus[index], name) for index in part}


def parts(split: Split) -> list[set[int]]:
    return [set(part.tolist()) for part in (split.train, split.validation, split.test)]


@pytest.mark.parametrize("name", ["10", "session", "loso", "loso-next", "speaker"])
@pytest.mark.parametrize("classes", [7, 4])
def test_every_utterance_is_tested_once(tmp_path: Path, name: FoldsName, classes: int) -> None:
    used = read(tmp_path, classes)
    splits = choose_folds(name, used)
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(len(used)))
    for split in splits:
        train, validation, test = parts(split)
        assert train and validation and test  # noqa: PT018
        assert not train & validation and not train & test and not validation & test  # noqa: PT018
        assert len(values(used, split.train, "label")) == (4 if classes == 4 else 5)
    assert len({split.name for split in splits}) == len(splits)


@pytest.mark.parametrize("name", ["10", "session", "loso", "loso-next", "speaker"])
def test_folds_are_deterministic(corpus: tuple[CorpusUtterance, ...], name: FoldsName) -> None:
    for first, second in zip(choose_folds(name, corpus), choose_folds(name, corpus), strict=True):
        assert first.name == second.name
        assert parts(first) == parts(second)


def test_leaving_out_a_session_shares_no_speaker_and_no_session(corpus: tuple[CorpusUtterance, ...]) -> None:
    splits = choose_folds("loso", corpus)
    assert [split.name for split in splits] == [f"loso-Ses{number:02d}" for number in range(1, 6)]
    for split in splits:
        others = [*split.train, *split.validation]
        for name in ("speaker", "session", "dialog"):
            assert not values(corpus, split.test, name) & values(corpus, others, name)
        assert len(values(corpus, split.test, "speaker")) == 2
        assert len(split.validation) == pytest.approx(len(others) / 10, abs=1)
        assert values(corpus, split.validation, "label") == set(LABELS)


def test_next_session_validates_and_shares_no_speaker(corpus: tuple[CorpusUtterance, ...]) -> None:
    splits = choose_folds("loso-next", corpus)
    assert [split.name for split in splits] == [f"next-Ses{number:02d}" for number in range(1, 6)]
    for number, split in enumerate(splits, 1):
        assert values(corpus, split.test, "session") == {number}
        assert values(corpus, split.validation, "session") == {number % 5 + 1}
        used = [values(corpus, part, "speaker") for part in (split.train, split.validation, split.test)]
        assert [len(speakers) for speakers in used] == [6, 2, 2]
        assert len(set.union(*used)) == 10


def test_leaving_out_a_speaker_validates_on_another_session(corpus: tuple[CorpusUtterance, ...]) -> None:
    splits = choose_folds("speaker", corpus)
    assert len(splits) == 10
    for split in splits:
        [tested], [validating] = values(corpus, split.test, "speaker"), values(corpus, split.validation, "speaker")
        assert split.name == f"speaker-{tested}"
        assert not {tested, validating} & values(corpus, split.train, "speaker")
        assert not values(corpus, split.test, "session") & values(corpus, split.validation, "session")
    assert Counter(tuple(values(corpus, split.validation, "speaker")) for split in splits).most_common(1)[0][1] <= 2


def test_without_validation_all_others_train(corpus: tuple[CorpusUtterance, ...]) -> None:
    for name in ("loso", "loso-next", "speaker"):
        for split in choose_folds(name, corpus, validate=False):
            assert not len(split.validation)
            assert len(split.train) + len(split.test) == len(corpus)


def test_overlap_of_each_protocol(corpus: tuple[CorpusUtterance, ...]) -> None:
    """A scripted text stands in all sessions, an improvised one in a single utterance."""
    texts = [text_of(utterance) for utterance in corpus]
    scripted = sum(utterance.style == "scripted" for utterance in corpus)
    names: tuple[FoldsName, ...] = ("10", "session", "loso", "loso-next", "speaker")
    speakers, sessions, dialogs = ([str(getattr(u, key)) for u in corpus] for key in ("speaker", "session", "dialog"))
    found = {name: describe_overlap(choose_folds(name, corpus), speakers, sessions, dialogs, texts) for name in names}
    assert {name: overlap["tested"] for name, overlap in found.items()} == dict.fromkeys(found, len(corpus))
    for name in ("session", "loso", "loso-next"):
        assert (found[name]["speaker"], found[name]["session"], found[name]["dialog"]) == (0, 0, 0)
        assert found[name]["text"] == scripted
    assert found["speaker"]["speaker"] == 0
    assert found["speaker"]["session"] == len(corpus)
    assert found["10"]["speaker"] == found["10"]["session"] == len(corpus)
    assert found["10"]["text"] == scripted
    assert all(0 < overlap["long_text"] < overlap["text"] for overlap in found.values())


def test_text_without_words_is_not_shared() -> None:
    split = Split("x", np.array([0, 1]), np.array([], np.int64), np.array([2, 3]))
    assert count_shared([split], ["", "a b", "", "a b"]) == 1


def test_text_has_no_fillers() -> None:
    words = timed(("WHAT(2)", 0.0, 0.1), ("++laughter++", 0.1, 0.2), ("now.", 0.2, 0.3))
    assert text_of(CorpusUtterance("u", 1, "Ses01F", "d", "scripted", "ang", Path("x"), words)) == "what now"


@pytest.mark.parametrize(("name", "kept"), [("loso", 1), ("loso-next", 2), ("speaker", 1)])
def test_too_few_groups_are_refused(corpus: tuple[CorpusUtterance, ...], name: FoldsName, kept: int) -> None:
    with pytest.raises(TrainingError, match=f"--folds {name} needs at least"):
        choose_folds(name, [utterance for utterance in corpus if utterance.session <= kept])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("10", "at random"),
        ("session", "no speaker in two parts"),
        ("loso", "tenth of the other"),
        ("loso-next", "the next session validates"),
        ("speaker", "by speaker"),
    ],
)
def test_protocol_in_words(corpus: tuple[CorpusUtterance, ...], name: FoldsName, words: str) -> None:
    assert words in describe_folds(choose_folds(name, corpus))
