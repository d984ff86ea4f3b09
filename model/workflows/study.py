"""Training of the rows of a reproduction or another study under one protocol, then the report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from model.config import FoldsName
from model.corpora.pairing import read_sentences
from model.corpora.readers import CorpusName, read_corpus
from model.corpora.records import Corpus
from model.corpora.subsets import Subset, choose_utterances
from model.corpora.word_errors import WordErrors, compare_words
from model.data.cache import default_cache
from model.data.embeddings import Embeddings
from model.data.protocols import choose_folds
from model.data.splits import Split
from model.errors import TrainingError
from model.report.plan import Plan, count_corpus, plan_utterances, write_plan
from model.report.rows import PlannedRun, Row
from model.report.word_errors import write_word_errors
from model.report.write import write_report
from model.runs.folder import Run
from model.runs.folds import Fold, finish_folds
from model.training.recipes import Recipe, change, choose_recipe
from model.training.systems import SYSTEMS, Words
from model.workflows.console import command_line, console, print_corpus
from model.workflows.preparation import choose_embeddings, prepare_run
from model.workflows.recognition import recognise_words

_SWEPT = "training.alpha="


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """Options common to `python -m model.reproduce` and `model.study`; the names are keys of report.json.

    Attributes:
        root: Folder of the corpus.
        out: Folder for folds and reports.
        corpus: Name of the corpus.
        recipe: Initial settings.
        glove: Word vectors; None with `random_embeddings`.
        random_embeddings: Learn word vectors from the corpus.
        folds: Protocol.
        classes: 7 or 4.
        subset: Dialogues to use.
        strict: Fail on damaged files.
        settings: Changes to the recipe.
        seeds: Random seeds; every fold is trained once with each. Empty for the recipe's.
        alpha_sweep: Values of α to choose from by validation in every fold; empty for the recipe's.
        limit_folds: Only the first folds.
        jobs: Folds in parallel.
        device: Training device.
        cache: Folder of extracted features.
    """

    root: Path
    out: Path
    corpus: CorpusName
    recipe: str
    glove: Path | None
    random_embeddings: bool
    folds: FoldsName
    classes: int
    subset: Subset
    strict: bool
    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    alpha_sweep: tuple[float, ...]
    limit_folds: int | None
    jobs: int
    device: str
    cache: Path | None

    @property
    def cache_folder(self) -> Path:
        """Folder of extracted features and recognised words."""
        return self.cache or default_cache()


@dataclass(frozen=True, slots=True)
class Study:
    """Rows to train.

    Attributes:
        module: Module of the command, for the record.
        title: Title of the report.
        rows: Rows, in order.
        tables: Keys of the rows of each table, by its caption.
        reference: Key of the row that the others are compared with.
    """

    module: str
    title: str
    rows: tuple[Row, ...]
    tables: dict[str, list[str]]
    reference: str


def train_study(study: Study, options: StudyOptions) -> None:
    """Train what is not finished and write the report.

    Raises:
        TrainingError: An option does not fit the corpus.
    """
    recipe = choose_recipe(options.recipe, options.settings)
    options = replace(options, seeds=options.seeds or (recipe.training.seed,))
    read = read_corpus(options.corpus, options.root, strict=options.strict)
    print_corpus(read)
    corpus = choose_utterances(read, options.classes, options.subset)
    splits = choose_folds(options.folds, corpus.utterances)[: options.limit_folds]
    runs = plan_runs(study.rows, options.seeds, options.alpha_sweep)
    write_plan(options.out, _plan(study, options, read, corpus, splits, runs), corpus)
    prepared = _Preparation(recipe, corpus, options)
    folds = _prepare_rows(study.rows, runs, prepared, splits, options)
    write_word_errors(options.out, prepared.word_errors())
    finish_folds(folds, options.jobs, console)
    write_report(options.out)
    console.print(f"wrote report.md, report.html and report.json to {options.out}")


def plan_runs(rows: Sequence[Row], seeds: Sequence[int], alphas: Sequence[float]) -> tuple[PlannedRun, ...]:
    """Trainings of all rows: one per seed and, for rows whose α is not fixed, per value of α."""
    return tuple(
        PlannedRun(row.key, _folder(row.key, seed if len(seeds) > 1 else None, alpha), seed, alpha)
        for row in rows
        for seed in seeds
        for alpha in (alphas if alphas and _has_alpha(row) else (None,))
    )


def _has_alpha(row: Row) -> bool:
    """Whether a row has unimodal heads whose weight it does not fix itself."""
    fixed = (*SYSTEMS[row.system].settings, *row.settings)
    return row.system.startswith("can") and not any(setting.startswith(_SWEPT) for setting in fixed)


def _folder(key: str, seed: int | None, alpha: float | None) -> str:
    return f"{key}{'' if alpha is None else f'-alpha-{alpha:g}'}{'' if seed is None else f'-seed-{seed}'}"


def _plan(
    study: Study,
    options: StudyOptions,
    read: Corpus,
    kept: Corpus,
    splits: Sequence[Split],
    runs: tuple[PlannedRun, ...],
) -> Plan:
    return Plan(
        command=command_line(study.module),
        options={name: value for name, value in asdict(options).items() if not isinstance(value, Path)},
        corpus=count_corpus(read, kept),
        title=study.title,
        rows=study.rows,
        tables=study.tables,
        reference=study.reference,
        runs=runs,
        splits=tuple(splits),
        utterances=plan_utterances(kept, read_sentences(options.root)),
    )


def _prepare_rows(
    rows: Sequence[Row],
    runs: Sequence[PlannedRun],
    prepared: "_Preparation",
    splits: Sequence[Split],
    options: StudyOptions,
) -> list[Fold]:
    """Folds of all rows, with the rows that are tested by networks of others as further tests of those."""
    trained = [row for row in rows if not row.trained_on]
    folds = []
    for row in trained:
        for planned in (planned for planned in runs if planned.row == row.key):
            path = prepared.prepare(row, planned)
            tests = [prepared.prepare(other, own) for other, own in _tested_by(row, planned, rows, runs)]
            folds += [
                Fold(path, split, options.root, "", device=options.device, also_test=tuple(tests)) for split in splits
            ]
    return folds


def _tested_by(
    row: Row, planned: PlannedRun, rows: Sequence[Row], runs: Sequence[PlannedRun]
) -> list[tuple[Row, PlannedRun]]:
    """Rows without a network of their own that the networks of a training are tested for."""
    others = {other.key: other for other in rows if other.trained_on == row.words and other.system == row.system}
    return [
        (others[run.row], run)
        for run in runs
        if run.row in others and (run.seed, run.alpha) == (planned.seed, planned.alpha)
    ]


class _Preparation:
    """Preparation of runs; words are recognised, and word vectors read, once for all of them."""

    def __init__(self, recipe: Recipe, corpus: Corpus, options: StudyOptions) -> None:
        self._recipe, self._options = recipe, options
        self._corpora: dict[str, Corpus] = {"corpus": corpus}
        self._embeddings: dict[str, Embeddings] = {}

    def prepare(self, row: Row, planned: PlannedRun) -> Path:
        """Write what the folds of a training need, and return its folder."""
        options = self._options
        changes = [*SYSTEMS[row.system].settings, *row.settings, f"training.seed={planned.seed}"]
        changes += [] if planned.alpha is None else [f"{_SWEPT}{planned.alpha}"]
        recipe = change(self._recipe, changes)
        run = Run(options.out / planned.folder)
        embeddings = self._vectors(row.trained_on or row.words, recipe)
        cache, corpus = options.cache_folder, self._corpus(row.words)
        prepare_run(run, corpus, recipe, embeddings, cache, options.jobs, row.system)
        return run.path

    def word_errors(self) -> dict[str, list[WordErrors]]:
        """Word errors of every recogniser that was used."""
        corpora, reference = self._corpora, self._corpora["corpus"]
        return {words: compare_words(reference, own) for words, own in corpora.items() if words != "corpus"}

    def _corpus(self, words: Words) -> Corpus:
        if words not in self._corpora:
            self._corpora[words] = recognise_words(
                self._corpora["corpus"], words, self._options.cache_folder, self._options.jobs
            )
        return self._corpora[words]

    def _vectors(self, words: Words, recipe: Recipe) -> Embeddings:
        """Word vectors, with random ones for missing words that are the same for every seed."""
        key = f"{words} {recipe.features.fillers}"
        if key not in self._embeddings:
            first = change(recipe, [f"training.seed={self._options.seeds[0]}"])
            self._embeddings[key] = choose_embeddings(
                self._corpus(words), first, self._options.glove, random=self._options.random_embeddings
            )
        return self._embeddings[key]


def check_numbers(option: str, values: Sequence[float]) -> None:
    """Raise if the values of an option do not differ, or one is negative.

    Raises:
        TrainingError: A value is negative or occurs twice.
    """
    if min(values, default=0) < 0 or len(set(values)) < len(values):
        raise TrainingError(f"{option} {','.join(map(str, values))}: needs different values of at least 0")
