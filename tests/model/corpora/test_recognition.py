from pathlib import Path

import pytest

from alignment.aligners.protocol import Aligner
from alignment.audio import Waveform
from alignment.errors import AlignerFailedError, NoSpeechError
from alignment.transcripts.words import Transcript
from model.corpora.iemocap import read_iemocap
from model.corpora.recognition import recognise_corpus
from model.corpora.records import Corpus
from tests.fakes import FakeAligner
from tests.model.corpora.iemocap_fixture import write_iemocap


class SilentAligner(FakeAligner):
    """Finds no speech."""

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        raise NoSpeechError(waveform.duration_s)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return read_iemocap(write_iemocap(tmp_path / "corpus"))


def words(corpus: Corpus) -> list[list[str]]:
    return [[word.word for word in utterance.words] for utterance in corpus.utterances]


def test_recognised_words_replace_those_of_the_corpus(corpus: Corpus, tmp_path: Path) -> None:
    aligner: Aligner = FakeAligner()
    recognised = recognise_corpus(corpus, aligner, tmp_path / "cache", 2)
    assert words(recognised) == [["the", "children"]] * 7
    assert [u.label for u in recognised.utterances] == [u.label for u in corpus.utterances]


def test_results_are_stored_and_truncated_line_is_recognised_again(corpus: Corpus, tmp_path: Path) -> None:
    aligner = FakeAligner()
    first = recognise_corpus(corpus, aligner, tmp_path / "cache", 1)
    [store] = (tmp_path / "cache").iterdir()
    store.write_text(store.read_text()[:-20])
    again = recognise_corpus(corpus, aligner, tmp_path / "cache", 1)
    assert aligner.calls == 7 + 1
    assert words(again) == words(first)
    assert recognise_corpus(corpus, aligner, tmp_path / "cache", 1) == again
    assert aligner.calls == 8


def test_utterance_without_speech_has_no_word(corpus: Corpus, tmp_path: Path) -> None:
    assert words(recognise_corpus(corpus, SilentAligner(), tmp_path / "cache", 1)) == [[]] * 7


def test_aligner_failure_is_not_treated_as_silence(corpus: Corpus, tmp_path: Path) -> None:
    aligner = FakeAligner()
    aligner.error = AlignerFailedError("fake", "crashed")
    with pytest.raises(AlignerFailedError):
        recognise_corpus(corpus, aligner, tmp_path / "cache", 1)
