from dataclasses import replace
from pathlib import Path

import pytest

from model.corpora.iemocap import read_iemocap
from model.corpora.iemocap_counts import (
    BY_LABEL,
    LABELLED,
    PAPER_UTTERANCES,
    SESSIONS,
    WITHOUT_WDSEG,
    compare_counts,
    is_iemocap,
)
from model.corpora.records import Corpus
from model.corpora.subsets import choose_utterances
from model.errors import TrainingError
from tests.model.corpora.iemocap_fixture import write_iemocap


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return read_iemocap(write_iemocap(tmp_path))


def release(corpus: Corpus) -> Corpus:
    """A record with the counts of the release."""
    [first, *_] = corpus.utterances
    utterances = tuple(replace(first, session=1 + index % 5) for index in range(PAPER_UTTERANCES))
    return Corpus("iemocap", utterances, LABELLED, dict(BY_LABEL), WITHOUT_WDSEG, (), (), SESSIONS, 0)


def test_seven_classes_are_all(corpus: Corpus) -> None:
    assert choose_utterances(corpus, 7, "all") == corpus


def test_of_four_classes_excited_is_happy(corpus: Corpus) -> None:
    chosen = choose_utterances(corpus, 4, "all")
    before = {u.name: u.label for u in corpus.utterances}
    for utterance in chosen.utterances:
        assert utterance.label == {"exc": "hap"}.get(before[utterance.name], before[utterance.name])
    assert {u.label for u in chosen.utterances} == {"ang", "hap", "sad", "neu"}


def test_styles(corpus: Corpus) -> None:
    improvised, scripted = (choose_utterances(corpus, 7, s) for s in ("improvised", "scripted"))
    assert {u.style for u in improvised.utterances} == {"improvised"}
    assert len(improvised.utterances) + len(scripted.utterances) == len(corpus.utterances)


def test_nothing_left(corpus: Corpus) -> None:
    only_scripted = choose_utterances(corpus, 7, "scripted")
    with pytest.raises(TrainingError, match="selects none of"):
        choose_utterances(only_scripted, 7, "improvised")


def test_the_published_counts_add_up() -> None:
    """151 dialogs hold 10,039 labelled utterances; seven labels less two without alignment are the paper's."""
    assert sum(BY_LABEL.values()) == LABELLED
    assert sum(BY_LABEL[label] for label in ("ang", "exc", "hap", "sad", "fru", "sur", "neu")) - 1 == PAPER_UTTERANCES


def test_the_release_itself(corpus: Corpus) -> None:
    whole = release(corpus)
    assert is_iemocap(whole)
    assert list(compare_counts(whole)) == [
        f"all counts agree with the published ones; {PAPER_UTTERANCES} utterances as in the paper"
    ]


def test_what_a_copy_lacks_is_said(corpus: Corpus) -> None:
    whole = release(corpus)
    lacking = replace(
        whole, labelled=LABELLED - 1, by_label=whole.by_label | {"ang": 1102}, utterances=whole.utterances[:-1]
    )
    lines = "\n".join(compare_counts(lacking))
    for piece in ("10038 labelled", "evaluations are missing", "ang 1102, published 1103", "7485 utterances used"):
        assert piece in lines


def test_another_corpus_in_the_format(corpus: Corpus) -> None:
    assert not is_iemocap(corpus)
    [line] = compare_counts(corpus)
    assert "sessions 1, 2; IEMOCAP has 1 to 5" in line


def test_sentences_that_are_gone_are_no_missing_labels(corpus: Corpus) -> None:
    """All of Session 5's wavs missing: the counts still are IEMOCAP's, and are compared."""
    whole = release(corpus)
    assert whole.sessions == (1, 2, 3, 4, 5)
    lacking = replace(
        whole,
        utterances=tuple(utterance for utterance in whole.utterances if utterance.session != 5),
        without_wav=("Ses05F_impro01_F000",) * 3,
        damaged=("a wav", "an evaluation"),
        damaged_evaluations=1,
        labelled=LABELLED - 1,
    )
    assert is_iemocap(lacking)
    lines = "\n".join(compare_counts(lacking))
    assert "1 damaged lines or files of evaluations were skipped" in lines
    assert "1 without alignment, 3 without wav, 1 with damaged files" in lines
