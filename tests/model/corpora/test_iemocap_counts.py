from dataclasses import replace
from pathlib import Path

import pytest

from model.corpora.iemocap import PAPER_LABELS, read_iemocap
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
from tests.model.corpora.iemocap_fixture import write_iemocap


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return read_iemocap(write_iemocap(tmp_path))


def release(corpus: Corpus) -> Corpus:
    """Corpus record with the counts of the release."""
    [first, *_] = corpus.utterances
    utterances = tuple(replace(first, session=1 + index % 5) for index in range(PAPER_UTTERANCES))
    return Corpus("iemocap", utterances, LABELLED, dict(BY_LABEL), WITHOUT_WDSEG, (), (), SESSIONS, 0, PAPER_LABELS)


def test_published_counts_are_consistent() -> None:
    """All labels sum to the labelled utterances; seven labels, less one without alignment, are the paper's."""
    assert sum(BY_LABEL.values()) == LABELLED
    assert sum(BY_LABEL[label] for label in ("ang", "exc", "hap", "sad", "fru", "sur", "neu")) - 1 == PAPER_UTTERANCES


def test_release_agrees_with_published_counts(corpus: Corpus) -> None:
    whole = release(corpus)
    assert is_iemocap(whole)
    assert list(compare_counts(whole)) == [
        f"all counts agree with the published ones; {PAPER_UTTERANCES} utterances as in the paper"
    ]


def test_missing_utterances_are_reported(corpus: Corpus) -> None:
    whole = release(corpus)
    incomplete = replace(
        whole, labelled=LABELLED - 1, by_label=whole.by_label | {"ang": 1102}, utterances=whole.utterances[:-1]
    )
    lines = "\n".join(compare_counts(incomplete))
    for piece in ("10038 labelled", "evaluations are missing", "ang 1102, published 1103", "7485 utterances used"):
        assert piece in lines


def test_other_corpus_is_not_compared(corpus: Corpus) -> None:
    assert not is_iemocap(corpus)
    [line] = compare_counts(corpus)
    assert "sessions 1, 2; IEMOCAP has 1 to 5" in line


def test_missing_audio_does_not_change_label_counts(corpus: Corpus) -> None:
    """Without the wavs of Session 5 the corpus is still IEMOCAP, and its counts are compared."""
    whole = release(corpus)
    assert whole.sessions == (1, 2, 3, 4, 5)
    incomplete = replace(
        whole,
        utterances=tuple(utterance for utterance in whole.utterances if utterance.session != 5),
        without_wav=("Ses05F_impro01_F000",) * 3,
        damaged=("a wav", "an evaluation"),
        damaged_evaluations=1,
        labelled=LABELLED - 1,
    )
    assert is_iemocap(incomplete)
    lines = "\n".join(compare_counts(incomplete))
    assert "1 damaged lines or files of evaluations were skipped" in lines
    assert "1 without alignment, 3 without wav, 1 with damaged files" in lines
