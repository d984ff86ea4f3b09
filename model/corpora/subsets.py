"""Subsets of a corpus: fewer classes, or one style of dialogue."""

from dataclasses import replace
from typing import Final, Literal

from model.corpora.records import Corpus, CorpusUtterance
from model.errors import TrainingError

Subset = Literal["all", "improvised", "scripted"]
FOUR_CLASSES: Final = {"ang": "ang", "hap": "hap", "exc": "hap", "sad": "sad", "neu": "neu"}
"""Common protocol: excited is mapped to happy, other labels are excluded (5,531 utterances of IEMOCAP)."""


def choose_utterances(corpus: Corpus, classes: int, subset: Subset) -> Corpus:
    """Corpus with the utterances of a subset, relabelled for four classes.

    Args:
        corpus: The corpus as read.
        classes: 4 for `FOUR_CLASSES`, otherwise all labels that were read.
        subset: "improvised" or "scripted" dialogues only, or "all".

    Raises:
        TrainingError: The subset is empty.
    """
    chosen: list[CorpusUtterance] = [u for u in corpus.utterances if subset in ("all", u.style)]
    if classes == 4:
        chosen = [replace(u, label=FOUR_CLASSES[u.label]) for u in chosen if u.label in FOUR_CLASSES]
    if not chosen:
        raise TrainingError(
            f"--classes {classes} --subset {subset} selects none of {len(corpus.utterances)} utterances"
        )
    return replace(corpus, utterances=tuple(chosen))
