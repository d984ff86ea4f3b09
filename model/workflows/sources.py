"""Corpora of `python -m model.train` with their folds, and the origin of the weights."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from alignment.aligners.selection import AlignerChoice
from model.config import FoldsName
from model.corpora.iemocap_counts import is_iemocap
from model.corpora.readers import read_corpus
from model.corpora.records import Corpus
from model.corpora.subsets import choose_utterances
from model.data.cache import default_cache
from model.data.protocols import choose_folds
from model.data.splits import Split, served_split
from model.data.table_splits import TableFolds
from model.errors import TrainingError
from model.training.recipes import Recipe
from model.workflows.console import print_corpus, print_line
from model.workflows.table import TableOptions, prepare_table

SourceName = Literal["iemocap", "composite", "table"]


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Options about the corpus and its folds, documented in `model.train`."""

    corpus: SourceName
    root: Path | None
    table: Path | None
    aligner: AlignerChoice
    language: str | None
    folds: TableFolds | Literal["loso", "loso-next"]
    classes: int
    limit_folds: int | None
    skip_cv: bool
    strict: bool
    cache: Path | None
    jobs: int
    trained_on: str | None
    licence: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """A corpus with its folds.

    Attributes:
        corpus: Utterances to train on.
        splits: Splits to test; none for training without evaluation.
        served: Split of the weights to serve; one of `splits` where a table has a split of its own.
        root: Folder of the corpus, or the table.
        trained_on: Description of the corpus for the bundle.
        licence: Licence of the weights.
        protocol: Description of the folds; "" for the one that their names imply.
        metrics: Sections of metrics.json about the corpus.
        is_table: Whether the corpus is a table.
    """

    corpus: Corpus
    splits: tuple[Split, ...]
    served: Split
    root: Path
    trained_on: str
    licence: str
    protocol: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    is_table: bool = False


def read_source(options: SourceOptions, recipe: Recipe) -> Source:
    """Read the corpus and choose its folds; what was read and what was skipped is printed.

    Raises:
        CorpusError: The corpus cannot be read.
        TrainingError: The corpus or the options do not allow training.
        AlignerError: An aligner is needed and cannot run.
    """
    _check_options(options)
    if options.table is not None:
        return _read_table(options, options.table, recipe)
    return _read_folder(options, options.root or Path(), recipe)


def _check_options(options: SourceOptions) -> None:
    if options.corpus != "table" and options.table is not None:
        raise TrainingError(f"--table {options.table}: add --corpus table")
    if options.corpus == "table" and (options.table is None or options.root is not None):
        raise TrainingError(
            "--corpus table needs --table FILE.csv, and no --root: its files are relative to its folder"
        )
    if options.corpus == "table" and options.classes != 7:
        raise TrainingError(f"--classes {options.classes} is for IEMOCAP; the labels of a table are used as they are")
    if options.corpus != "table" and options.root is None:
        raise TrainingError(f"--corpus {options.corpus} needs --root, the folder with Session1, Session2, …")
    if options.corpus != "table" and options.folds == "split":
        raise TrainingError("--folds split is for --corpus table; choose 10, session, loso, loso-next or speaker")


def _read_folder(options: SourceOptions, root: Path, recipe: Recipe) -> Source:
    name: Literal["iemocap", "composite"] = "iemocap" if options.corpus == "iemocap" else "composite"
    read = read_corpus(name, root, strict=options.strict, all_labels=options.classes == 9)
    print_corpus(read)
    trained_on, licence = _provenance(options, iemocap=is_iemocap(read))
    corpus = choose_utterances(read, options.classes, "all")
    folds: FoldsName = "10" if options.folds == "auto" or options.folds == "split" else options.folds  # noqa: PLR1714
    validate = recipe.training.patience > 0
    splits = [] if options.skip_cv else choose_folds(folds, corpus.utterances, validate=validate)
    served = served_split(corpus.utterances, validate, by_session=folds != "10")
    return Source(corpus, tuple(splits[: options.limit_folds]), served, root, trained_on, licence)


def _read_table(options: SourceOptions, path: Path, recipe: Recipe) -> Source:
    trained_on, licence = _provenance(options, iemocap=False)
    if options.folds == "loso" or options.folds == "loso-next":  # noqa: PLR1714, for the type checker
        raise TrainingError(
            f"--folds {options.folds} is for a folder of sessions; choose session, speaker, split or 10 of a table"
        )
    table = TableOptions(path, options.aligner, options.language, options.folds, options.skip_cv, options.strict)
    cache = options.cache or default_cache()
    prepared = prepare_table(table, recipe.features, cache, options.jobs, validate=recipe.training.patience > 0)
    protocol = prepared.protocol
    section = {**prepared.corpus.describe(), "folds": protocol.description, "notes": list(protocol.notes)}
    return Source(
        prepared.corpus.corpus,
        protocol.splits[: options.limit_folds],
        protocol.served,
        path,
        trained_on,
        licence,
        protocol.description,
        {"table": section},
        is_table=True,
    )


def _provenance(options: SourceOptions, *, iemocap: bool) -> tuple[str, str]:
    """Training data and licence of the weights: known for IEMOCAP, required options for any other corpus."""
    if options.trained_on and options.licence:
        return options.trained_on, options.licence
    if options.trained_on or options.licence or not iemocap:
        raise TrainingError(
            "this corpus is not IEMOCAP: describe it with --trained-on, and state with --licence the terms (an SPDX "
            "identifier) under which weights trained on it may be used; both are included in the bundle and in every "
            "response"
        )
    return "IEMOCAP (USC SAIL)", "LicenseRef-IEMOCAP"


def fit_recipe(recipe: Recipe, corpus: SourceName) -> Recipe:
    """Recipe without what a table does not have: shares of the parts of a mixed corpus."""
    if corpus != "table" or not recipe.training.balance:
        return recipe
    print_line(f"training.balance={','.join(recipe.training.balance)} is not used: a table has no parts")
    return replace(recipe, training=replace(recipe.training, balance=()))
