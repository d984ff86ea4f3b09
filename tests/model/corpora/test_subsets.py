from pathlib import Path

import pytest

from model.corpora.iemocap import read_iemocap
from model.corpora.records import Corpus
from model.corpora.subsets import choose_utterances
from model.errors import TrainingError
from tests.model.corpora.iemocap_fixture import write_iemocap


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return read_iemocap(write_iemocap(tmp_path))


def test_seven_classes_include_all_utterances(corpus: Corpus) -> None:
    assert choose_utterances(corpus, 7, "all") == corpus


def test_four_classes_map_excited_to_happy(corpus: Corpus) -> None:
    chosen = choose_utterances(corpus, 4, "all")
    before = {u.name: u.label for u in corpus.utterances}
    for utterance in chosen.utterances:
        assert utterance.label == {"exc": "hap"}.get(before[utterance.name], before[utterance.name])
    assert {u.label for u in chosen.utterances} == {"ang", "hap", "sad", "neu"}


def test_subset_by_style(corpus: Corpus) -> None:
    improvised, scripted = (choose_utterances(corpus, 7, s) for s in ("improvised", "scripted"))
    assert {u.style for u in improvised.utterances} == {"improvised"}
    assert len(improvised.utterances) + len(scripted.utterances) == len(corpus.utterances)


def test_empty_subset_is_refused(corpus: Corpus) -> None:
    only_scripted = choose_utterances(corpus, 7, "scripted")
    with pytest.raises(TrainingError, match="selects none of"):
        choose_utterances(only_scripted, 7, "improvised")
