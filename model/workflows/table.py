"""Preparation of a table for training: rows, words, folds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alignment.aligners.protocol import Aligner
from alignment.aligners.selection import AlignerChoice, EmbeddedConfig, choose_aligner
from alignment.aligners.weights.config import WhisperXConfig
from alignment.features.extraction import FeatureSpec
from model.corpora.table import read_table
from model.corpora.table_corpus import TableCorpus, build_table_corpus
from model.corpora.table_words import WordSource, find_all_words
from model.data.table_splits import TableFolds, TableProtocol, choose_table_folds, served_table_split
from model.errors import TableError, TrainingError
from model.workflows.console import console, print_line


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Options of a table.

    Attributes:
        table: The table.
        aligner: Aligner of the recordings without given times.
        language: ISO 639-1 code; None for the aligner's default.
        folds: How folds are made.
        skip_cv: Whether there are no folds.
        strict: Whether a recording that cannot be used is an error.
    """

    table: Path
    aligner: AlignerChoice
    language: str | None
    folds: TableFolds
    skip_cv: bool
    strict: bool


@dataclass(frozen=True, slots=True)
class PreparedTable:
    """A table that can be trained on."""

    corpus: TableCorpus
    protocol: TableProtocol


def prepare_table(
    options: TableOptions, spec: FeatureSpec, cache: Path, workers: int, *, validate: bool
) -> PreparedTable:
    """Read a table, find the words of its recordings, and make folds; what was left out is printed.

    Args:
        options: Options of the table.
        spec: Features.
        cache: Folder of stored words.
        workers: Recordings processed in parallel.
        validate: Whether training stops early.

    Raises:
        CorpusError: The table, or with `strict` one of its recordings, cannot be used.
        TrainingError: The recordings that can be used do not allow training.
        AlignerError: The aligner cannot run.
    """
    rows = read_table(options.table)
    source = WordSource(_aligner_maker(options.aligner, workers), spec, options.language, cache, workers)
    corpus = build_table_corpus(rows, find_all_words(rows, source))
    if options.strict and corpus.left_out:
        raise TableError(options.table, [str(each) for each in corpus.left_out])
    for line in corpus.report():
        print_line(line)
    _check_labels(corpus)
    protocol = _choose_protocol(corpus, options, validate=validate)
    console.print(f"folds: {protocol.description}" if protocol.splits else "folds: none (--skip-cv)")
    for note in protocol.notes:
        print_line(note)
    return PreparedTable(corpus, protocol)


def _aligner_maker(choice: AlignerChoice, workers: int) -> Callable[[], Aligner]:
    return lambda: choose_aligner(choice, WhisperXConfig(), EmbeddedConfig(workers))


def _check_labels(corpus: TableCorpus) -> None:
    labels = {row.label for row in corpus.rows}
    if len(labels) < 2:
        raise TrainingError(
            f"{len(corpus.rows)} recordings can be used, with the labels {sorted(labels)}; at least two labels are "
            "needed"
        )


def _choose_protocol(corpus: TableCorpus, options: TableOptions, *, validate: bool) -> TableProtocol:
    utterances = corpus.corpus.utterances
    if options.skip_cv:
        served = served_table_split([utterance.label for utterance in utterances], validate=validate)
        return TableProtocol((), served, "none")
    parts = [row.part for row in corpus.rows]
    return choose_table_folds(utterances, parts, options.folds, validate=validate)
