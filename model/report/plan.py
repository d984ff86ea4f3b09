"""What a reproduction or another study trains and tests, written before the first fold: all that a report needs.

plan.json holds the command, its options and the counts of the corpus; utterances.csv holds one row per utterance with
its part in every fold, its words, and the kind of a sentence of the composite corpus.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import TypeAdapter

from alignment.transcripts.normalisation import is_filler, normalise_word
from model.atomic import atomic_file
from model.corpora.iemocap_counts import is_iemocap
from model.corpora.pairing import COMPOSITE, Sentence
from model.corpora.records import Corpus, CorpusUtterance
from model.data.protocols import describe_overlap
from model.data.splits import Split
from model.errors import TrainingError
from model.report.paper import upgrade_plan
from model.report.rows import PlannedRun, Row

PLAN: Final = "plan.json"
UTTERANCES: Final = "utterances.csv"
_COLUMNS: Final = ("utterance", "label", "speaker", "session", "dialog", "style", "kind", "text")
_PARTS: Final = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class PlannedUtterance:
    """What a report needs of an utterance.

    Attributes:
        name: Name.
        speaker: Speaker.
        session: Session.
        dialog: Dialogue.
        text: Normalised words without fillers.
        kind: Kind of a sentence of the composite corpus, or its source; empty for other corpora.
    """

    name: str
    speaker: str
    session: str
    dialog: str
    text: str
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Rows, folds and corpus of a reproduction or another study.

    Attributes:
        command: Command line.
        options: Options of the command, without paths.
        corpus: Name and counts of the corpus.
        title: Title of the report.
        rows: Rows, in order.
        tables: Keys of the rows of each table, by its caption.
        reference: Key of the row that the others are compared with.
        runs: Trainings of all rows.
        splits: Splits of every row.
        utterances: All utterances, in the order that the splits refer to.
    """

    command: str
    options: Mapping[str, Any]
    corpus: Mapping[str, Any]
    title: str
    rows: tuple[Row, ...]
    tables: Mapping[str, Sequence[str]]
    reference: str
    runs: tuple[PlannedRun, ...]
    splits: tuple[Split, ...]
    utterances: tuple[PlannedUtterance, ...]

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of each utterance that has one, by name."""
        return {utterance.name: utterance.kind for utterance in self.utterances if utterance.kind}

    def overlap(self) -> dict[str, Any]:
        """See `describe_overlap`."""
        return describe_overlap(
            self.splits,
            *([getattr(u, name) for u in self.utterances] for name in ("speaker", "session", "dialog", "text")),
        )


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


def plan_utterances(kept: Corpus, sentences: Mapping[str, Sentence]) -> tuple[PlannedUtterance, ...]:
    """Utterances of a corpus for the report; their kind is the modality that carries the label, where that is known."""

    def kind(name: str) -> str:
        own = sentences.get(name)
        return "" if own is None else own.kind if own.source == COMPOSITE else own.source

    return tuple(
        PlannedUtterance(u.name, u.speaker, str(u.session), u.dialog, text_of(u), kind(u.name)) for u in kept.utterances
    )


def write_plan(out: Path, plan: Plan, kept: Corpus) -> None:
    """Write plan.json and utterances.csv."""
    record = {
        "command": plan.command,
        "options": dict(plan.options),
        "corpus": dict(plan.corpus),
        "title": plan.title,
        "rows": [asdict(row) for row in plan.rows],
        "tables": dict(plan.tables),
        "reference": plan.reference,
        "runs": [asdict(run) for run in plan.runs],
        "folds": [split.name for split in plan.splits],
    }
    with atomic_file(out / UTTERANCES) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_COLUMNS, *(split.name for split in plan.splits)])
        parts = [_parts_of(split, len(kept.utterances)) for split in plan.splits]
        for row, (u, planned) in enumerate(zip(kept.utterances, plan.utterances, strict=True)):
            own = (u.name, u.label, u.speaker, u.session, u.dialog, u.style, planned.kind, planned.text)
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
            f"{out} has no {PLAN}: choose the --out folder of `python -m model.reproduce` or `model.study`; a run of "
            "an earlier version writes it when the same command is run again, which keeps the finished folds"
        )
    stored = (out / PLAN).read_bytes()
    with (out / UTTERANCES).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    record = json.loads(stored)
    if "rows" not in record:
        record = upgrade_plan(record)
    names = ("speaker", "session", "dialog", "text", "kind")
    return Plan(
        **{name: record[name] for name in ("command", "options", "corpus", "title", "tables", "reference")},
        rows=TypeAdapter(tuple[Row, ...]).validate_python(record["rows"]),
        runs=TypeAdapter(tuple[PlannedRun, ...]).validate_python(record["runs"]),
        splits=tuple(_read_split(name, rows) for name in record["folds"]),
        utterances=tuple(PlannedUtterance(row["utterance"], *(row[name] for name in names)) for row in rows),
    )


def _read_split(name: str, rows: Sequence[Mapping[str, str]]) -> Split:
    parts = np.array([row[name] for row in rows])
    train, validation, test = (np.flatnonzero(parts == part) for part in _PARTS)
    return Split(name, train, validation, test)
