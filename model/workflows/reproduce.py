"""Workflow of `python -m model.reproduce`: all systems under one protocol, then the report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from alignment.aligners.selection import AlignerChoice, EmbeddedConfig, choose_aligner
from alignment.aligners.weights.config import WhisperXConfig
from model.corpora.pairing import read_sentences
from model.corpora.readers import CorpusName, read_corpus
from model.corpora.recognition import recognise_corpus
from model.corpora.records import Corpus
from model.corpora.subsets import Subset, choose_utterances
from model.data.cache import default_cache
from model.data.embeddings import Embeddings
from model.data.splits import Split, random_folds, session_folds
from model.errors import TrainingError
from model.report.plan import Plan, count_corpus, find_kinds, text_of, write_plan
from model.report.write import write_report
from model.runs.folder import Run
from model.runs.folds import Fold, finish_folds
from model.training.recipes import Recipe, change, choose_recipe
from model.training.systems import SYSTEMS, Words
from model.workflows.console import command_line, console, exit_status, print_corpus
from model.workflows.preparation import check_device, choose_embeddings, lock_run, prepare_run

PAPER_SYSTEMS: Final = tuple(name for name, system in SYSTEMS.items() if system.tables)


@dataclass(frozen=True, slots=True)
class ReproduceOptions:
    """Options of `python -m model.reproduce`, documented there; the names are keys of report.json."""

    root: Path
    out: Path
    corpus: CorpusName
    recipe: str
    glove: Path | None
    random_embeddings: bool
    rows: tuple[str, ...]
    by_session: bool
    classes: int
    subset: Subset
    alignment: Words
    strict: bool
    settings: tuple[str, ...]
    limit_folds: int | None
    jobs: int
    device: str
    cache: Path | None


def reproduce(options: ReproduceOptions) -> int:
    """Train what is not finished and write the report; return 1, with the reason on standard error, on failure."""
    return exit_status(lambda: _reproduce(options))


def _reproduce(options: ReproduceOptions) -> None:
    names = choose_systems(options.rows, options.alignment)
    check_device(options.device)
    with lock_run(options.out):
        _train_systems(options, names)


def _train_systems(options: ReproduceOptions, names: Sequence[str]) -> None:
    recipe = choose_recipe(options.recipe, options.settings)
    read = read_corpus(options.corpus, options.root, strict=options.strict)
    print_corpus(read)
    corpus = choose_utterances(read, options.classes, options.subset)
    splits = _choose_splits(corpus, options)
    write_plan(options.out, _plan(read, corpus, names, splits, options), corpus)
    folds = []
    for words in dict.fromkeys(SYSTEMS[name].words for name in names):
        worded = corpus if words == "corpus" else _recognise(corpus, words, options)
        embeddings = choose_embeddings(worded, recipe, options.glove, random=options.random_embeddings)
        for name in (name for name in names if SYSTEMS[name].words == words):
            folds += _prepare_system(name, worded, recipe, embeddings, splits, options)
    finish_folds(folds, options.jobs, console)
    write_report(options.out)
    console.print(f"wrote report.md, report.html and report.json to {options.out}")


def _plan(read: Corpus, kept: Corpus, names: Sequence[str], splits: Sequence[Split], options: ReproduceOptions) -> Plan:
    chosen = {name: value for name, value in asdict(options).items() if not isinstance(value, Path)}
    texts = tuple(map(text_of, kept.utterances))
    kinds = find_kinds(kept, read_sentences(options.root))
    return Plan(
        command_line("model.reproduce"), chosen, count_corpus(read, kept), tuple(names), tuple(splits), kinds, texts
    )


def choose_systems(names: Sequence[str], alignment: Words) -> tuple[str, ...]:
    """Systems to train: those named or all of the paper's, and the one that uses the recogniser of `alignment`.

    Raises:
        TrainingError: There is no such system, or its words come from a recogniser that is not `alignment`.
    """
    chosen = tuple(names) or PAPER_SYSTEMS
    for name in chosen:
        if name not in SYSTEMS:
            raise TrainingError(f"--rows {name!r}: choose from {', '.join(SYSTEMS)}")
        if SYSTEMS[name].words not in ("corpus", alignment):
            raise TrainingError(f"--rows {name}: add --alignment {SYSTEMS[name].words}, the source of its words")
    recognised = (name for name, system in SYSTEMS.items() if system.words == alignment != "corpus")
    return tuple(dict.fromkeys((*chosen, *recognised)))


def _recognise(corpus: Corpus, words: Words, options: ReproduceOptions) -> Corpus:
    choice: AlignerChoice = "auto" if words == "corpus" else words
    aligner = choose_aligner(choice, WhisperXConfig(), EmbeddedConfig(options.jobs))
    try:
        return recognise_corpus(corpus, aligner, options.cache or default_cache(), options.jobs)
    finally:
        aligner.close()


def _choose_splits(corpus: Corpus, options: ReproduceOptions) -> list[Split]:
    if options.by_session:
        splits = session_folds(corpus.utterances)
    else:
        splits = random_folds([utterance.label for utterance in corpus.utterances])
    return splits[: options.limit_folds]


def _prepare_system(
    name: str, corpus: Corpus, recipe: Recipe, embeddings: Embeddings, splits: list[Split], options: ReproduceOptions
) -> list[Fold]:
    run = Run(options.out / name)
    own = change(recipe, SYSTEMS[name].settings)
    prepare_run(run, corpus, own, embeddings, options.cache or default_cache(), options.jobs, name)
    return [Fold(run.path, split, options.root, "", device=options.device) for split in splits]
