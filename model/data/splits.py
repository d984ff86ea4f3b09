"""Splits into training, validation and test: random folds as in the paper, and speaker-independent folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from model.corpora.records import CorpusUtterance
from model.errors import TrainingError


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Utterance indices of the parts of a split.

    Attributes:
        name: For example "fold-03" or "Ses01F".
        train: (n,) int64.
        validation: (n,) int64, possibly empty.
        test: (n,) int64, possibly empty.
    """

    name: str
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def random_folds(labels: Sequence[str], count: int = 10, seed: int = 0) -> list[Split]:
    """Label-stratified folds 8:1:1; fold k tests, fold k + 1 validates.

    Raises:
        TrainingError: A label has fewer utterances than there are folds.

    Source: Lee, Yoon, Jung 2020, Section 4.1; stratification and seed are choices of this project.
    """
    rarest = min(labels.count(label) for label in set(labels))
    if rarest < count:
        raise TrainingError(
            f"the rarest label has {rarest} utterances, {count} folds need {count}; use --folds session, or more data"
        )
    folds = StratifiedKFold(count, shuffle=True, random_state=seed).split(np.zeros(len(labels)), list(labels))
    parts = [test for _, test in folds]
    return [_split(f"fold-{k:02d}", parts[(k + 1) % count], parts[k], len(labels)) for k in range(count)]


def served_split(utterances: Sequence[CorpusUtterance], validate: bool, *, by_session: bool, seed: int = 0) -> Split:
    """Split for the weights to serve, without a test part.

    Args:
        utterances: Utterances of the whole corpus.
        validate: Whether a part is held out for early stopping; if not, all utterances are used for training.
        by_session: Hold out one speaker, as in `session_folds`, so that early stopping uses an unseen speaker; if not,
            hold out a random tenth, at least one utterance.
        seed: Seed of the random choice.
    """
    everything = np.arange(len(utterances))
    if not validate:
        return Split("served", everything, everything[:0], everything[:0])
    if by_session:
        last = max(utterance.speaker for utterance in utterances)
        held_out = np.array([utterance.speaker == last for utterance in utterances])
        return Split("served-by-speaker", everything[~held_out], everything[held_out], everything[:0])
    held_out = np.isin(everything, draw_random_tenth(len(utterances), seed))
    return Split("served", everything[~held_out], everything[held_out], everything[:0])


def draw_random_tenth(count: int, seed: int) -> NDArray[np.int64]:
    """Positions of a random tenth of some utterances, at least of one, whatever their labels."""
    return np.random.default_rng(seed).permutation(count)[: max(1, count // 10)]


def session_folds(utterances: Sequence[CorpusUtterance], *, validate: bool = True) -> list[Split]:
    """Leave-one-session-out folds; one speaker of the session validates and the other tests, then vice versa.

    Args:
        utterances: Utterances of all sessions.
        validate: False if nothing is chosen by validation: then both speakers of a session test one network, and half
            as many networks are trained.

    Raises:
        TrainingError: There are fewer than two sessions, or one without exactly two speakers.
    """
    sessions = np.array([utterance.session for utterance in utterances])
    speakers = np.array([utterance.speaker for utterance in utterances])
    splits = []
    for session in sorted(set(sessions.tolist())):
        pair = sorted(set(speakers[sessions == session].tolist()))
        if len(pair) != 2 or len(set(sessions.tolist())) < 2:
            raise TrainingError(
                f"folds by session need at least two sessions of two speakers each; session {session} has {pair}"
            )
        train = np.flatnonzero(sessions != session)
        if not validate:
            splits.append(Split(f"Ses{session:02d}", train, train[:0], np.flatnonzero(sessions == session)))
            continue
        for tester, validator in (pair, pair[::-1]):
            validation, test = np.flatnonzero(speakers == validator), np.flatnonzero(speakers == tester)
            splits.append(Split(tester, train, validation, test))
    return splits


def corpus_folds(recorded_in: Sequence[str], testable: NDArray[np.bool_]) -> list[Split]:
    """Leave-one-corpus-out splits, without validation: train on the other corpora, test on one.

    Args:
        recorded_in: Corpus of the sound of each utterance.
        testable: (utterances,) whether an utterance may be tested; all others are for training only.

    Returns:
        One split per corpus; none if there is only one corpus.
    """
    corpora = np.array(recorded_in)
    names = sorted(set(recorded_in))
    if len(names) < 2:
        return []
    return [
        Split(f"without-{name}", np.flatnonzero(corpora != name), none, np.flatnonzero((corpora == name) & testable))
        for name in names
        for none in [np.zeros(0, np.int64)]
    ]


def _split(name: str, validation: NDArray[np.int64], test: NDArray[np.int64], total: int) -> Split:
    held_out = np.zeros(total, bool)
    held_out[validation] = held_out[test] = True
    return Split(name, np.flatnonzero(~held_out), np.sort(validation), np.sort(test))
