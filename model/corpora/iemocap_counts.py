"""Published counts of IEMOCAP, and the differences of a copy from them.

Source: Busso et al. 2008; Lee, Yoon, Jung 2020, Section 4.1.
"""

from collections.abc import Iterator
from typing import Final

from model.corpora.records import Corpus

LABELLED: Final = 10_039
BY_LABEL: Final = {
    "ang": 1103,
    "hap": 595,
    "exc": 1041,
    "sad": 1084,
    "neu": 1708,
    "fru": 1849,
    "sur": 107,
    "fea": 40,
    "dis": 2,
    "oth": 3,
    "xxx": 2507,
}
PAPER_UTTERANCES: Final = 7486
WITHOUT_WDSEG: Final = ("Ses03M_impro03_M001",)
SESSIONS: Final = (1, 2, 3, 4, 5)


def is_iemocap(corpus: Corpus) -> bool:
    """Whether a corpus is the IEMOCAP release, or most of it."""
    return corpus.sessions == SESSIONS and corpus.labelled > 0.9 * LABELLED


def compare_counts(corpus: Corpus) -> Iterator[str]:
    """One line per count that differs from the published one, with an explanation; one line if none differs."""
    if corpus.sessions != SESSIONS:
        sessions = ", ".join(map(str, corpus.sessions))
        yield f"sessions {sessions}; IEMOCAP has 1 to 5, so that its published counts do not apply"
        return
    differences = list(_differences(corpus))
    yield from differences
    if not differences:
        yield f"all counts agree with the published ones; {PAPER_UTTERANCES} utterances as in the paper"


def _differences(corpus: Corpus) -> Iterator[str]:
    if corpus.labelled != LABELLED:
        yield f"{corpus.labelled} labelled utterances, published {LABELLED}: {_explain_labelled(corpus)}"
    for label in sorted(set(BY_LABEL) | set(corpus.by_label)):
        got, published = corpus.by_label.get(label, 0), BY_LABEL.get(label, 0)
        if got != published:
            yield f"{label} {got}, published {published}"
    if corpus.without_wdseg != WITHOUT_WDSEG:
        names = ", ".join(corpus.without_wdseg) or "none"
        yield f"without alignment: {names}; in the release only {', '.join(WITHOUT_WDSEG)}"
    if len(corpus.utterances) != PAPER_UTTERANCES:
        yield f"{len(corpus.utterances)} utterances used, the paper has {PAPER_UTTERANCES}: {_explain_used(corpus)}"


def _explain_labelled(corpus: Corpus) -> str:
    if corpus.damaged_evaluations:
        return f"{corpus.damaged_evaluations} damaged lines or files of evaluations were skipped"
    fewer = corpus.labelled < LABELLED
    return "evaluations are missing" if fewer else "there are more evaluations than the release has"


def _explain_used(corpus: Corpus) -> str:
    causes = {
        "without alignment": len(corpus.without_wdseg),
        "without wav": len(corpus.without_wav),
        "with damaged files": len(corpus.damaged) - corpus.damaged_evaluations,
    }
    reasons = [f"{count} {cause}" for cause, count in causes.items() if count]
    if corpus.by_label != BY_LABEL:
        reasons.append("labels differ from the published ones")
    return ", ".join(reasons) or "nothing was skipped, so that the release itself differs"
