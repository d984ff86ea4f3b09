"""What `python -m model.reproduce` does: one protocol for all rows, then the report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from alignment.aligners.selection import choose_aligner
from alignment.aligners.weights.config import WhisperXConfig
from model.atomic import locked_folder
from model.corpora.iemocap import PAPER_LABELS, read_iemocap
from model.corpora.recognition import recognise_corpus
from model.corpora.records import Corpus
from model.corpora.subsets import Subset, choose_utterances
from model.data.cache import default_cache
from model.data.embeddings import Embeddings
from model.data.splits import Split, random_folds, session_folds
from model.errors import TrainingError
from model.report.rows import RowResult
from model.report.write import write_report
from model.runs.folder import FoldResult, RunFolder
from model.runs.folds import FoldJob, finish_folds
from model.training.recipes import Recipe, change, choose_recipe
from model.training.systems import SYSTEMS, Words
from model.workflows.console import (
    console,
    describe_corpus,
    describe_embeddings,
    describe_move,
    run_explained,
    shown_command,
)
from model.workflows.preparation import check_device, choose_embeddings, prepare_run

PAPER_ROWS: Final = tuple(name for name, system in SYSTEMS.items() if system.tables)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What was asked for; the options of `python -m model.reproduce` say what each means."""

    root: Path
    out: Path
    corpus: str
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


def reproduce(asked: Reproduction) -> int:
    """Trains what is not finished and writes the report; 1, with the reason on standard error, when it cannot."""
    return run_explained(lambda: _reproduce(asked))


def _reproduce(asked: Reproduction) -> None:
    rows = choose_rows(asked.rows, asked.alignment)
    check_device(asked.device)
    with locked_folder(asked.out):
        _run_rows(asked, rows)


def _run_rows(asked: Reproduction, rows: Sequence[str]) -> None:
    recipe = choose_recipe("paper", asked.settings)
    read = read_iemocap(asked.root, PAPER_LABELS, strict=asked.strict)
    describe_corpus(read)
    corpus = choose_utterances(read, asked.classes, asked.subset)
    splits = _splits(corpus, asked)
    jobs = []
    for words in dict.fromkeys(SYSTEMS[name].words for name in rows):
        heard = corpus if words == "corpus" else _recognise(corpus, words, asked)
        table = choose_embeddings(heard, recipe, asked.glove, random=asked.random_embeddings)
        if not asked.random_embeddings:
            describe_embeddings(table)
        own = [name for name in rows if SYSTEMS[name].words == words]
        jobs += [job for name in own for job in _prepare_row(name, heard, recipe, table, splits, asked)]
    finished = finish_folds(jobs, asked.jobs, console)
    results = [RowResult(name, tuple(_of_row(finished, name)), asked.out / name) for name in rows]
    write_report(asked.out, read, corpus, results, splits, shown_command("model.reproduce"), asdict(asked))
    console.print(f"wrote report.md, report.html and report.json to {asked.out}")


def choose_rows(names: Sequence[str], alignment: Words) -> tuple[str, ...]:
    """Rows to train: those named, or all of the paper's; and one more that learns from recognised words.

    Raises:
        TrainingError: there is no such row, or its words come from a recogniser that was not asked for.
    """
    rows = tuple(names) or PAPER_ROWS
    for name in rows:
        if name not in SYSTEMS:
            raise TrainingError(f"--rows {name!r}: rows are {', '.join(SYSTEMS)}")
        if SYSTEMS[name].words not in ("corpus", alignment):
            raise TrainingError(f"--rows {name}: add --alignment {SYSTEMS[name].words}, whose words it learns from")
    recognised = (name for name, system in SYSTEMS.items() if system.words == alignment != "corpus")
    return tuple(dict.fromkeys((*rows, *recognised)))


def _recognise(corpus: Corpus, words: Words, asked: Reproduction) -> Corpus:
    aligner = choose_aligner("whisperx" if words == "whisperx" else "pocketsphinx", WhisperXConfig(), asked.jobs)
    try:
        return recognise_corpus(corpus, aligner, asked.cache or default_cache(), asked.jobs)
    finally:
        aligner.close()


def _splits(corpus: Corpus, asked: Reproduction) -> list[Split]:
    if asked.by_session:
        splits = session_folds(corpus.utterances)
    else:
        splits = random_folds([utterance.label for utterance in corpus.utterances])
    return splits[: asked.limit_folds]


def _prepare_row(
    name: str, corpus: Corpus, recipe: Recipe, table: Embeddings, splits: list[Split], asked: Reproduction
) -> list[FoldJob]:
    run = RunFolder(asked.out / name)
    own = change(recipe, SYSTEMS[name].settings)
    describe_move(run.path, prepare_run(run, corpus, own, table, asked.cache or default_cache(), asked.jobs, name))
    return [FoldJob(run.path, split, asked.root, "", device=asked.device) for split in splits]


def _of_row(results: list[FoldResult], name: str) -> list[FoldResult]:
    return [result for result in results if result.experiment.system == name]
