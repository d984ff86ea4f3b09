"""Accuracy by the word error rate of the recognised words of an utterance."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.atomic import atomic_file
from model.corpora.word_errors import WordErrors
from model.report.results import SystemResult

WORD_ERRORS: Final = "word_errors.csv"
_COLUMNS: Final = ("recogniser", "utterance", "words", "errors")
_EDGES: Final = (0.0, 0.25, 0.5, float("inf"))
BINS: Final = ("0", "up to .25", "up to .50", "above .50")
"""Word error rates of an utterance, each above the one before."""


def write_word_errors(out: Path, by_recogniser: Mapping[str, Sequence[WordErrors]]) -> None:
    """Write word_errors.csv; nothing without a recogniser."""
    if not by_recogniser:
        return
    with atomic_file(out / WORD_ERRORS) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for name, errors in by_recogniser.items():
            writer.writerows((name, own.utterance, own.words, own.errors) for own in errors)


def read_word_errors(out: Path) -> dict[str, dict[str, WordErrors]]:
    """Word errors by recogniser and utterance; empty without recognised words."""
    if not (out / WORD_ERRORS).is_file():
        return {}
    found: dict[str, dict[str, WordErrors]] = {}
    with (out / WORD_ERRORS).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            own = WordErrors(row["utterance"], int(row["words"]), int(row["errors"]))
            found.setdefault(row["recogniser"], {})[own.utterance] = own
    return found


def measure_by_word_errors(out: Path, systems: Sequence[SystemResult], reference: str) -> dict[str, Any]:
    """Word error rate of each recogniser and, by bins of it, WA of its rows and of the reference; empty without any."""
    return {
        name: {
            "word_error_rate": sum(own.errors for own in errors.values())
            / max(1, sum(e.words for e in errors.values())),
            "utterances": _count_bins(errors.values()),
            "wa": {
                system.name: _accuracy_by_bin(system, errors)
                for system in systems
                if name == system.row.words or system.name == reference
            },
        }
        for name, errors in read_word_errors(out).items()
    }


def word_errors_to_markdown(measured: Mapping[str, Any], titles: Mapping[str, str]) -> Iterator[str]:
    """Lines of a table per recogniser."""
    for name, own in measured.items():
        yield f"## WA by word error rate of the utterance: {name}, {own['word_error_rate']:.3f} over all\n"
        yield f"| | {' | '.join(BINS)} |"
        yield "|---" * (len(BINS) + 1) + "|"
        yield f"| utterances | {' | '.join(map(str, own['utterances']))} |"
        for key, values in own["wa"].items():
            cells = ("" if value is None else f"{value:.3f}" for value in values)
            yield f"| {titles[key]} | {' | '.join(cells)} |"
        yield ""


def _bin_of(errors: WordErrors) -> int:
    return int(np.searchsorted(_EDGES, errors.rate))


def _count_bins(errors: Iterable[WordErrors]) -> list[int]:
    counts: list[int] = np.bincount([_bin_of(own) for own in errors], minlength=len(BINS)).tolist()
    return counts


def _accuracy_by_bin(system: SystemResult, errors: Mapping[str, WordErrors]) -> list[float | None]:
    bins: list[int] = []
    correct: list[NDArray[np.bool_]] = []
    for fold in system.folds:
        indices, logits = fold.logits("test")
        names = fold.run.names()
        bins += [_bin_of(errors[names[index]]) for index in indices]
        correct.append(logits.final(fold.alpha).argmax(axis=1) == fold.run.labels()[indices])
    where, right = np.array(bins), np.concatenate(correct)
    return [float(right[where == each].mean()) if (where == each).any() else None for each in range(len(BINS))]
