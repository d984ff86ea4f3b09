"""Parts of a corpus that rows are compared on: fewer classes, one style of speaking."""

from dataclasses import replace
from typing import Final, Literal

from model.corpora.records import Corpus, CorpusUtterance
from model.errors import TrainingError

Subset = Literal["all", "improvised", "scripted"]
FOUR_CLASSES: Final = {"ang": "ang", "hap": "hap", "exc": "hap", "sad": "sad", "neu": "neu"}
"""The field's common protocol: excited counts as happy, the rest is left out (5,531 utterances of IEMOCAP)."""


def choose_utterances(corpus: Corpus, classes: int, subset: Subset) -> Corpus:
    """The corpus with only the wanted utterances, relabelled for four classes.

    Args:
        corpus: as read.
        classes: 7 keeps every label of the paper, 4 see `FOUR_CLASSES`.
        subset: "improvised" or "scripted" dialogues alone, or "all".

    Raises:
        TrainingError: nothing is left.
    """
    kept: list[CorpusUtterance] = [u for u in corpus.utterances if subset in ("all", u.style)]
    if classes == 4:
        kept = [replace(u, label=FOUR_CLASSES[u.label]) for u in kept if u.label in FOUR_CLASSES]
    if not kept:
        raise TrainingError(f"--classes {classes} --subset {subset} leaves none of {len(corpus.utterances)} utterances")
    return replace(corpus, utterances=tuple(kept))
