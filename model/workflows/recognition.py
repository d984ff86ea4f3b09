"""Words of a corpus from an aligner of the service."""

from pathlib import Path
from typing import Final

from alignment.aligners.selection import AlignerChoice, EmbeddedConfig, choose_aligner
from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.locate import find_missing
from alignment.errors import AlignerUnavailableError
from model.corpora.recognition import recognise_corpus
from model.corpora.records import Corpus
from model.training.systems import Words

RECOGNISERS: Final[tuple[Words, ...]] = ("moonshine", "pocketsphinx", "whisperx")


def recognise_words(corpus: Corpus, words: Words, cache: Path, jobs: int) -> Corpus:
    """Corpus with words and times from a recogniser; results are cached.

    Raises:
        AlignerUnavailableError: It is not installed, or has no weights.
    """
    choice: AlignerChoice = "auto" if words == "corpus" else words
    aligner = choose_aligner(choice, WhisperXConfig(), EmbeddedConfig(jobs))
    try:
        return recognise_corpus(corpus, aligner, cache, jobs)
    finally:
        aligner.close()


def find_recognisers() -> tuple[list[Words], dict[str, str]]:
    """Recognisers that can run, and the reasons why others cannot, by name."""
    present: list[Words] = []
    absent: dict[str, str] = {}
    for words in RECOGNISERS:
        if reason := _missing(words):
            absent[words] = reason
        else:
            present.append(words)
    return present, absent


def _missing(words: Words) -> str:
    """Why a recogniser cannot run; empty if it can."""
    if words == "whisperx":
        missing = find_missing(WhisperXConfig())
        return missing.reason if missing else ""
    choice: AlignerChoice = "auto" if words == "corpus" else words
    try:
        choose_aligner(choice, WhisperXConfig()).close()
    except AlignerUnavailableError as exc:
        return exc.reason
    return ""
