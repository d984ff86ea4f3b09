"""What a reproduction trains and tests, as written before the first fold, so that a report needs nothing but its files.

plan.json holds the command, its options and the counts of the corpus; utterances.csv holds one row per utterance with
its part in every fold, its words, and the kind of a sentence of the composite corpus.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from alignment.transcripts.normalisation import is_filler, normalise_word
from model.atomic import atomic_file
from model.corpora.iemocap_counts import is_iemocap
from model.corpora.pairing import COMPOSITE, Sentence
from model.corpora.records import Corpus, CorpusUtterance
from model.data.splits import Split
from model.errors import TrainingError

PLAN: Final = "plan.json"
UTTERANCES: Final = "utterances.csv"
_COLUMNS: Final = ("utterance", "label", "speaker", "session", "dialog", "style", "kind", "text")
_PARTS: Final = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Systems, folds and corpus of a reproduction.

    Attributes:
        command: Command line.
        options: Options of the command, without paths.
        corpus: Name and counts of the corpus.
        systems: Keys in `SYSTEMS`, in the order of the report.
        splits: Splits of every system.
        kinds: Kind of each sentence of the composite corpus by name, or its source; empty for other corpora.
        texts: Normalised words of each utterance of the corpus, without fillers.
    """

    command: str
    options: Mapping[str, Any]
    corpus: Mapping[str, Any]
    systems: tuple[str, ...]
    splits: tuple[Split, ...]
    kinds: Mapping[str, str]
    texts: tuple[str, ...]


def text_of(utterance: CorpusUtterance) -> str:
    """Normalised words of an utterance, without fillers, joined by spaces."""
    return " ".join(normalise_word(word.word) for word in utterance.words if not is_filler(word.word))


def count_corpus(read: Corpus, kept: Corpus) -> dict[str, Any]:
    """Counts of a corpus for the report.

    Args:
        read: Corpus as read.
        kept: Utterances used for training and test.
    """
    return {
        "name": read.name,
        "is_iemocap": is_iemocap(read),
        "labelled": read.labelled,
        "kept": len(kept.utterances),
        "by_label": read.by_label,
        "without_wdseg": list(read.without_wdseg),
        "without_words": sum(not utterance.words for utterance in kept.utterances),
    }


def find_kinds(kept: Corpus, sentences: Mapping[str, Sentence]) -> dict[str, str]:
    """Modality that carries the label of each composite sentence, and the source of every other utterance."""
    return {
        utterance.name: own.kind if own.source == COMPOSITE else own.source
        for utterance in kept.utterances
        if (own := sentences.get(utterance.name))
    }


def write_plan(out: Path, plan: Plan, kept: Corpus) -> None:
    """Write plan.json and utterances.csv."""
    record = {
        "command": plan.command,
        "options": dict(plan.options),
        "corpus": dict(plan.corpus),
        "systems": plan.systems,
        "folds": [split.name for split in plan.splits],
    }
    with atomic_file(out / UTTERANCES) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_COLUMNS, *(split.name for split in plan.splits)])
        parts = [_parts_of(split, len(kept.utterances)) for split in plan.splits]
        for row, u in enumerate(kept.utterances):
            own = (u.name, u.label, u.speaker, u.session, u.dialog, u.style, plan.kinds.get(u.name, ""), text_of(u))
            writer.writerow([*own, *(part[row] for part in parts)])
    with atomic_file(out / PLAN) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _parts_of(split: Split, count: int) -> list[str]:
    parts = [""] * count
    for part in _PARTS:
        for index in getattr(split, part):
            parts[index] = part
    return parts


def read_plan(out: Path) -> Plan:
    """Read the plan of a reproduction.

    Raises:
        TrainingError: The folder is not the output of a reproduction that wrote its plan.
    """
    if not (out / PLAN).is_file() or not (out / UTTERANCES).is_file():
        raise TrainingError(
            f"{out} has no {PLAN}: choose the --out folder of a `python -m model.reproduce`; one of an earlier version "
            "writes it when the same command is run again, which keeps the finished folds"
        )
    record = json.loads((out / PLAN).read_text(encoding="utf-8"))
    with (out / UTTERANCES).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return Plan(
        command=record["command"],
        options=record["options"],
        corpus=record["corpus"],
        systems=tuple(record["systems"]),
        splits=tuple(_read_split(name, rows) for name in record["folds"]),
        kinds={row["utterance"]: row["kind"] for row in rows if row["kind"]},
        texts=tuple(row["text"] for row in rows),
    )


def _read_split(name: str, rows: Sequence[Mapping[str, str]]) -> Split:
    parts = np.array([row[name] for row in rows])
    train, validation, test = (np.flatnonzero(parts == part) for part in _PARTS)
    return Split(name, train, validation, test)
