"""Readers of the corpora that can be trained on, by name."""

from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from model.corpora.iemocap import ALL_LABELS, PAPER_LABELS, read_iemocap
from model.corpora.pairing import EMOTIONS, read_sentences
from model.corpora.records import Corpus

CorpusName = Literal["iemocap", "composite"]
COMPOSITE_LABELS: Final = (*EMOTIONS, "neu")


def read_corpus(name: CorpusName, root: Path, *, strict: bool = False, all_labels: bool = False) -> Corpus:
    """Read IEMOCAP with the labels of the paper, or a corpus of `model.corpora.composite` with all of its labels.

    Args:
        name: Name of the corpus.
        root: Folder with Session1, Session2, ….
        strict: Fail on damaged files instead of skipping them.
        all_labels: Read IEMOCAP with `ALL_LABELS`, fearful and disgusted included.

    Raises:
        CorpusError: See `read_iemocap` and `read_sentences`.
    """
    if name == "iemocap":
        return read_iemocap(root, ALL_LABELS if all_labels else PAPER_LABELS, strict=strict)
    corpus, sentences = read_iemocap(root, COMPOSITE_LABELS, strict=strict), read_sentences(root)
    known = [each for each in corpus.utterances if each.name in sentences]
    utterances = [replace(each, source=sentences[each.name].source) for each in known]
    return replace(corpus, name=name, utterances=tuple(utterances))
