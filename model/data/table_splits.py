"""Folds of a corpus from a table: its own split, folds by speaker or session, or random folds."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import GroupKFold, train_test_split

from model.corpora.records import CorpusUtterance
from model.corpora.table import PARTS
from model.data.splits import Split, random_folds
from model.errors import TrainingError

TableFolds = Literal["auto", "split", "speaker", "session", "10"]
_MOST_FOLDS: Final = 10
_HELD_OUT: Final = 0.1
_PROTOCOLS: Final = {
    "split": "by the column split of the table",
    "speaker": "by speaker (no speaker in two parts)",
    "session": "by session (no session in two parts)",
    "speaker and session": "by speaker and session (neither is in two parts)",
    "random": "at random (speakers may be shared)",
}


@dataclass(frozen=True, slots=True)
class TableProtocol:
    """Folds, and how they were made.

    Attributes:
        splits: Splits to test.
        served: Split of the weights to serve; the split itself where the table has one.
        description: Protocol, for the report.
        notes: Sentences about the folds that readers of the figures need.
    """

    splits: tuple[Split, ...]
    served: Split
    description: str
    notes: tuple[str, ...] = field(default=())


def choose_table_folds(
    utterances: Sequence[CorpusUtterance], parts: Sequence[str], folds: TableFolds, *, validate: bool, seed: int = 0
) -> TableProtocol:
    """Folds by the table's split, by speaker or session where they are known, or at random.

    Args:
        utterances: Utterances of the table.
        parts: Part of each utterance, one of `PARTS`; empty strings without a split.
        folds: "auto" for the first of these that the table allows.
        validate: Whether training stops early, by a validation part.
        seed: Seed of random choices.

    Raises:
        TrainingError: The table does not have what the folds need, or has too few recordings.
    """
    if folds == "split" or (folds == "auto" and any(parts)):
        return _split_by_table(utterances, parts, validate=validate, seed=seed)
    labels = [utterance.label for utterance in utterances]
    if folds == "10":
        return _fold_randomly(labels, validate=validate, seed=seed)
    name, groups = _choose_groups(utterances, folds)
    if not groups:
        protocol = _fold_randomly(labels, validate=validate, seed=seed)
        return TableProtocol(protocol.splits, protocol.served, protocol.description, (_UNKNOWN_SPEAKERS,))
    return _fold_by_group(name, groups, labels, validate=validate, seed=seed)


_UNKNOWN_SPEAKERS: Final = (
    "The table does not name speakers or sessions, so that a test speaker may also be a training speaker: the figures "
    "are those of known voices."
)


def served_table_split(labels: Sequence[str], *, validate: bool, seed: int = 0) -> Split:
    """Split of the weights to serve without folds: all recordings, a tenth of them for early stopping if required."""
    everything = np.arange(len(labels))
    train, validation = _hold_out(everything, labels, seed) if validate else (everything, everything[:0])
    return Split("served", train, validation, everything[:0])


def _split_by_table(
    utterances: Sequence[CorpusUtterance], parts: Sequence[str], *, validate: bool, seed: int
) -> TableProtocol:
    if not any(parts):
        raise TrainingError("--folds split: the table has no column 'split'; add it, or omit the option")
    train, validation, test = (np.array([i for i, own in enumerate(parts) if own == part], np.int64) for part in PARTS)
    labels = [utterance.label for utterance in utterances]
    for part, own in (("train", train), ("test", test)):
        if not len(own):
            raise TrainingError(f"no row has the split {part!r}; add some, or remove the column to have folds made")
    _check_trained_labels(labels, train)
    notes = list(_describe_shared_speakers(utterances, train, test))
    if validate and not len(validation):
        train, validation = _hold_out(train, labels, seed)
        notes.append("The table has no validation part: a tenth of its training part, drawn at random, stops training.")
    split = Split("split", np.sort(train), np.sort(validation), test)
    return TableProtocol((split,), split, _PROTOCOLS["split"], tuple(notes))


def _check_trained_labels(labels: Sequence[str], train: NDArray[np.int64]) -> None:
    missing = sorted(set(labels) - {labels[index] for index in train})
    if missing:
        raise TrainingError(
            f"no row of the split 'train' has the label {', '.join(map(repr, missing))}; it could never be recognised"
        )


def _describe_shared_speakers(
    utterances: Sequence[CorpusUtterance], train: NDArray[np.int64], test: NDArray[np.int64]
) -> list[str]:
    trained, tested = ({utterances[index].speaker for index in part} - {""} for part in (train, test))
    if not (trained and tested):
        return [_UNKNOWN_SPEAKERS]
    shared = len(trained & tested)
    if not shared:
        return []
    return [f"{shared} of {len(tested)} test speakers are training speakers too: the figures lean to the good side."]


def _choose_groups(utterances: Sequence[CorpusUtterance], folds: TableFolds) -> tuple[str, list[str]]:
    """What the folds leave out, and the group of each utterance; no groups if the table has none."""
    speakers = [utterance.speaker for utterance in utterances]
    sessions = [str(utterance.session) if utterance.session else "" for utterance in utterances]
    known = {"speaker": any(speakers), "session": any(sessions)}
    if folds in known:
        if not known[folds]:
            raise TrainingError(f"--folds {folds}: the table has no column {folds!r}; add it, or omit the option")
        groups = speakers if folds == "speaker" else sessions
        return _check_groups(folds, groups)
    if all(known.values()):
        joined = _join_groups(speakers, sessions)
        if len(set(joined)) > 1:
            return "speaker and session", joined
    if known["speaker"] and (len(set(speakers)) > 1 or not known["session"]):
        return _check_groups("speaker", speakers)
    return _check_groups("session", sessions) if known["session"] else ("random", [])


def _check_groups(name: str, groups: list[str]) -> tuple[str, list[str]]:
    if len(set(groups)) < 2:
        raise TrainingError(
            f"the recordings are all of one {name}, {groups[0]!r}: folds by {name} need at least two. Name others, or "
            "use --folds 10, which tests on known voices"
        )
    return name, groups


def _join_groups(speakers: Sequence[str], sessions: Sequence[str]) -> list[str]:
    """Groups that share neither a speaker nor a session: connected components, named by one of their speakers."""
    names, of_speaker = np.unique(speakers, return_inverse=True)
    of_session = len(names) + np.unique(sessions, return_inverse=True)[1]
    count = int(of_session.max()) + 1
    shared = coo_array((np.ones(len(speakers)), (of_speaker, of_session)), shape=(count, count))
    components = connected_components(shared, directed=False)[1][of_speaker]
    first = dict(zip(components[::-1], speakers[::-1], strict=True))
    return [first[component] for component in components]


def _fold_by_group(
    name: str, groups: Sequence[str], labels: Sequence[str], *, validate: bool, seed: int
) -> TableProtocol:
    count = min(_MOST_FOLDS, len(set(groups)))
    tests = [test for _, test in GroupKFold(count).split(np.zeros(len(groups)), groups=groups)]
    everything = np.arange(len(groups))
    splits = []
    for number, test in enumerate(tests):
        train = np.setdiff1d(everything, test)
        validation = everything[:0]
        if validate and count > 2:
            validation = tests[(number + 1) % count]
            train = np.setdiff1d(train, validation)
        elif validate:
            train, validation = _hold_out(train, labels, seed)
        splits.append(Split(f"fold-{number:02d}", train, validation, test))
    notes = _describe_rare_labels(name, groups, labels)
    if validate and count == 2:
        notes.append(f"There are two groups by {name}: early stopping uses recordings of the training part.")
        served = served_table_split(labels, validate=True, seed=seed)
    else:
        held_out = tests[0] if validate else everything[:0]
        served = Split("served", np.setdiff1d(everything, held_out), held_out, everything[:0])
    return TableProtocol(tuple(splits), served, _PROTOCOLS[name], tuple(notes))


def _describe_rare_labels(name: str, groups: Sequence[str], labels: Sequence[str]) -> list[str]:
    by_label = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        by_label[label].add(group)
    single = sorted(label for label, own in by_label.items() if len(own) == 1)
    if not single:
        return []
    return [f"Only one {name} has {', '.join(single)}: where it is tested, these labels were not trained on."]


def _fold_randomly(labels: Sequence[str], *, validate: bool, seed: int) -> TableProtocol:
    [(rarest, amount)] = Counter(labels).most_common()[-1:]
    required = 3 if validate else 2
    if amount < required:
        raise TrainingError(
            f"the label {rarest!r} has {amount} recordings; random folds need at least {required} of each label: add "
            "some, or remove the label"
        )
    parts = random_folds(labels, min(_MOST_FOLDS, amount), seed)
    splits = [part if validate else _without_validation(part) for part in parts]
    return TableProtocol(tuple(splits), served_table_split(labels, validate=validate, seed=seed), _PROTOCOLS["random"])


def _without_validation(split: Split) -> Split:
    train = np.sort(np.concatenate((split.train, split.validation)))
    return Split(split.name, train, split.validation[:0], split.test)


def _hold_out(
    utterances: NDArray[np.int64], labels: Sequence[str], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A tenth of some utterances for validation, with every label where that is possible.

    Where all labels are frequent this is the tenth of `--folds loso`, which merges labels of one utterance instead.
    Both stay as they are, because stored runs depend on them.
    """
    own = [labels[index] for index in utterances]
    size = max(round(_HELD_OUT * len(own)), len(set(own)))
    stratify = own if min(Counter(own).values()) > 1 and 2 * size <= len(own) else None
    rest, held_out = train_test_split(
        utterances, test_size=min(size, len(own) - 1), random_state=seed, stratify=stratify
    )
    return np.sort(rest), np.sort(held_out)
