"""Protocols of cross-validation by name, and what the test part of a fold shares with its training part."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedShuffleSplit

from model.config import FoldsName
from model.corpora.records import CorpusUtterance
from model.data.splits import Split, draw_random_tenth, random_folds, session_folds
from model.errors import TrainingError

LONG_TEXT_WORDS: Final = 5
_DESCRIPTIONS: Final = {
    "fold": "at random (speakers are shared)",
    "loso": "by session (no speaker of the test in training; a random tenth of the other sessions validates)",
    "next": "by session (the next session validates; no speaker in two parts)",
    "speaker": "by speaker (the speaker of the test is in no other part)",
}
_BY_SESSION: Final = "by session (no speaker in two parts)"


def choose_folds(name: FoldsName, utterances: Sequence[CorpusUtterance], *, validate: bool = True) -> list[Split]:
    """Folds of a protocol; the same utterances give the same folds.

    Args:
        name: Protocol.
        utterances: Utterances of the whole corpus.
        validate: False if nothing is chosen by validation; then only "10" has validation parts.

    Raises:
        TrainingError: The corpus has too few sessions, speakers or utterances of a label.
    """
    if name == "session":
        return session_folds(utterances, validate=validate)
    if name == "loso":
        return _leave_one_session_out(utterances, validate=validate)
    if name == "loso-next":
        return _validate_on_next_session(utterances, validate=validate)
    if name == "speaker":
        return _leave_one_speaker_out(utterances, validate=validate)
    return random_folds([utterance.label for utterance in utterances])


def describe_folds(splits: Sequence[Split]) -> str:
    """Protocol of some folds in words."""
    [kind, *others] = {split.name.partition("-")[0] for split in splits}
    return _BY_SESSION if others else _DESCRIPTIONS.get(kind, _BY_SESSION)


def _leave_one_session_out(utterances: Sequence[CorpusUtterance], *, validate: bool, seed: int = 0) -> list[Split]:
    sessions = np.array([utterance.session for utterance in utterances])
    labels = [utterance.label for utterance in utterances]
    numbers = sorted(set(sessions.tolist()))
    if len(numbers) < 2:
        raise TrainingError(f"--folds loso needs at least two sessions, the corpus has {numbers}; use --folds 10")
    splits = []
    for number in numbers:
        others = np.flatnonzero(sessions != number)
        validation = _draw_tenth(others, labels, seed) if validate else others[:0]
        test = np.flatnonzero(sessions == number)
        splits.append(Split(f"loso-Ses{number:02d}", np.setdiff1d(others, validation), validation, test))
    return splits


def _validate_on_next_session(utterances: Sequence[CorpusUtterance], *, validate: bool) -> list[Split]:
    sessions = np.array([utterance.session for utterance in utterances])
    numbers = sorted(set(sessions.tolist()))
    least = 3 if validate else 2
    if len(numbers) < least:
        raise TrainingError(
            f"--folds loso-next needs at least {least} sessions, the corpus has {numbers}; use --folds 10"
        )
    splits = []
    for number, following in zip(numbers, [*numbers[1:], numbers[0]], strict=True):
        test = np.flatnonzero(sessions == number)
        validation = np.flatnonzero(sessions == following) if validate else test[:0]
        train = np.setdiff1d(np.arange(len(sessions)), [*test, *validation])
        splits.append(Split(f"next-Ses{number:02d}", train, validation, test))
    return splits


def _draw_tenth(indices: NDArray[np.int64], labels: Sequence[str], seed: int) -> NDArray[np.int64]:
    """A tenth of some utterances with about the same labels; of a label with a single utterance none is stratified."""
    own = [labels[index] for index in indices]
    single = {label for label, count in Counter(own).items() if count == 1}
    strata = ["" if label in single else label for label in own]
    rarest, count = min(Counter(strata).values()), max(len(set(strata)), round(len(own) / 10))
    if rarest < 2 or count > len(own) - len(set(strata)):
        drawn = draw_random_tenth(len(own), seed)
    else:
        [(_, drawn)] = StratifiedShuffleSplit(1, test_size=count, random_state=seed).split(np.zeros(len(own)), strata)
    return np.sort(indices[drawn])


def _leave_one_speaker_out(utterances: Sequence[CorpusUtterance], *, validate: bool) -> list[Split]:
    """Each speaker tests; the next speaker, of another session if there is one, validates; all others train."""
    speakers = np.array([utterance.speaker for utterance in utterances])
    session_of = {utterance.speaker: utterance.session for utterance in utterances}
    names = sorted(session_of)
    least = 3 if validate else 2
    if len(names) < least:
        raise TrainingError(f"--folds speaker needs at least {least} speakers, the corpus has {names}; use --folds 10")
    splits = []
    for position, name in enumerate(names):
        following = [*names[position + 1 :], *names[:position]]
        elsewhere = [other for other in following if session_of[other] != session_of[name]]
        validator = (elsewhere or following)[0] if validate else ""
        train = np.flatnonzero((speakers != name) & (speakers != validator))
        test = np.flatnonzero(speakers == name)
        splits.append(Split(f"speaker-{name}", train, np.flatnonzero(speakers == validator), test))
    return splits


def count_shared(splits: Sequence[Split], values: Sequence[Hashable]) -> int:
    """Number of test utterances, over all folds, whose value also occurs in the training part; empty values do not."""
    shared = 0
    for split in splits:
        trained = {values[index] for index in split.train}
        shared += sum(bool(values[index]) and values[index] in trained for index in split.test)
    return shared


def describe_overlap(
    splits: Sequence[Split],
    speakers: Sequence[str],
    sessions: Sequence[str],
    dialogs: Sequence[str],
    texts: Sequence[str],
) -> dict[str, Any]:
    """What the test parts share with the training parts of their folds, as numbers of test utterances.

    Args:
        splits: Folds.
        speakers: Speaker of each utterance.
        sessions: Session of each utterance.
        dialogs: Dialogue of each utterance.
        texts: Normalised words of each utterance; empty for one without words.
    """
    long_texts = [text if len(text.split()) >= LONG_TEXT_WORDS else "" for text in texts]
    values = {"speaker": speakers, "session": sessions, "dialog": dialogs, "text": texts, "long_text": long_texts}
    tested = sum(len(split.test) for split in splits)
    return {"tested": tested} | {name: count_shared(splits, own) for name, own in values.items()}
