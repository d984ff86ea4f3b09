"""A table as a corpus: recordings with words, and a count of what was left out and why."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alignment.transcripts.utterances import MAX_UTTERANCE_S
from alignment.transcripts.words import AlignerInfo
from model.corpora.records import Corpus, CorpusUtterance
from model.corpora.table import TableRow
from model.corpora.table_words import FoundWords, RowWords

_SAME_SOUND: Final = "the same recording as another row"
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that is not used.

    Attributes:
        row: The row.
        fault: Reason in a few words, by which rows are counted.
        message: The whole reason.
    """

    row: TableRow
    fault: str
    message: str

    def __str__(self) -> str:
        return f"row {self.row.number} ({self.row.name}): {self.message}"


@dataclass(frozen=True, slots=True)
class TableCorpus:
    """Recordings of a table that can be trained on.

    Attributes:
        corpus: The recordings; of each, `session` is the number of its session, 0 where sessions are not known.
        rows: Row of each utterance.
        left_out: Rows that are not used.
        aligner: Aligner of the words without given times; None if there are none.
        long: Number of recordings longer than an utterance of the service.
    """

    corpus: Corpus
    rows: tuple[TableRow, ...]
    left_out: tuple[LeftOut, ...]
    aligner: AlignerInfo | None
    long: int

    def describe(self) -> dict[str, Any]:
        """Section `table` of metrics.json."""
        sources = Counter(_word_source(row) for row in self.rows)
        return {
            "rows": len(self.rows) + len(self.left_out),
            "used": len(self.rows),
            "left_out": self.count_left_out(),
            "labels": dict(sorted(Counter(row.label for row in self.rows).items())),
            "speakers": len({row.speaker for row in self.rows if row.speaker}),
            "sessions": len({row.session for row in self.rows if row.session}),
            "words": dict(sources),
            "aligner": None if self.aligner is None else {"name": self.aligner.name, "model": self.aligner.model},
        }

    def count_left_out(self) -> dict[str, int]:
        """Number of rows left out by reason."""
        return dict(Counter(each.fault for each in self.left_out).most_common())

    def report(self) -> Iterator[str]:
        """Lines for the console."""
        counts = Counter(row.label for row in self.rows)
        labels = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
        yield f"{len(self.rows) + len(self.left_out)} rows, {len(self.rows)} used ({labels})"
        if self.left_out:
            reasons = ", ".join(f"{count} {fault}" for fault, count in self.count_left_out().items())
            yield f"{len(self.left_out)} left out: {reasons}"
            yield from (f"left out: {each}" for each in self.left_out[:_SHOWN])
            if len(self.left_out) > _SHOWN:
                yield f"left out: {len(self.left_out) - _SHOWN} more; --strict makes them errors"
        if self.aligner is not None:
            yield f"words: {self.aligner.name} ({self.aligner.model}; {self.aligner.reason})"
        if self.long:
            yield (
                f"{self.long} recordings last longer than {MAX_UTTERANCE_S:g} s, the longest utterance that the "
                "service scores at once; cut them into utterances, and label each"
            )


def build_table_corpus(rows: Sequence[TableRow], words: FoundWords) -> TableCorpus:
    """Combine rows and words; a row whose recording has occurred before is left out."""
    used: list[tuple[TableRow, RowWords]] = []
    left_out: list[LeftOut] = []
    first_rows: dict[str, TableRow] = {}
    for row, found in zip(rows, words.by_row, strict=True):
        if found.fault:
            left_out.append(LeftOut(row, found.fault, found.reason))
            continue
        first = first_rows.setdefault(found.digest or row.name, row)
        if first is not row:
            left_out.append(LeftOut(row, _SAME_SOUND, _describe_repetition(row, first)))
        else:
            used.append((row, found))
    numbers = {session: number for number, session in enumerate(sorted({row.session for row in rows}), start=1)}
    corpus = _make_corpus(rows, [_make_utterance(row, found, numbers) for row, found in used])
    long = sum(found.duration_s > MAX_UTTERANCE_S for _, found in used)
    return TableCorpus(corpus, tuple(row for row, _ in used), tuple(left_out), words.aligner, long)


def _describe_repetition(row: TableRow, first: TableRow) -> str:
    differ = f", which is labelled {first.label!r}, not {row.label!r}" if row.label != first.label else ""
    return f"it is the same recording as row {first.number} ({first.name}){differ}"


def _make_utterance(row: TableRow, found: RowWords, sessions: dict[str, int]) -> CorpusUtterance:
    number = sessions[row.session] if row.session else 0
    return CorpusUtterance(
        row.name, number, row.speaker, row.name, "improvised", row.label, row.path, found.words, span=found.span
    )


def _make_corpus(rows: Sequence[TableRow], utterances: Sequence[CorpusUtterance]) -> Corpus:
    by_label = Counter(row.label for row in rows)
    return Corpus(
        name="table",
        utterances=tuple(utterances),
        labelled=len(rows),
        by_label=dict(sorted(by_label.items())),
        without_wdseg=(),
        without_wav=(),
        damaged=(),
        sessions=tuple(sorted({utterance.session for utterance in utterances})),
        damaged_evaluations=0,
        labels=tuple(sorted(by_label)),
    )


def _word_source(row: TableRow) -> str:
    if row.words is not None:
        return "given with times"
    return "text aligned" if row.text else "recognised"
