"""Workflow of `python -m model.train`: cross-validation, metrics and the weights to serve."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from model.bundle import METRICS, Origin
from model.bundle_files import SUMS
from model.calibration import Calibration
from model.corpora.pairing import COMPOSITE, RECORDED_IN, read_sentences
from model.corpora.records import Corpus
from model.data.cache import default_cache
from model.data.embeddings import Embeddings
from model.data.splits import Split, corpus_folds
from model.errors import TrainingError
from model.export.packaging import publish_bundle
from model.runs.calibration import FinishedFolds
from model.runs.folder import FoldResult, Run
from model.runs.folds import Fold, describe_fold, finish_folds, run_fold
from model.runs.summary import summarise_folds
from model.training.loop import Epoch
from model.training.recipes import Recipe, choose_recipe
from model.workflows.console import command_line, console, exit_status, print_line
from model.workflows.initialisation import InitialBundle, choose_initial_recipe, extend_vocabulary, open_initial
from model.workflows.preparation import check_device, choose_embeddings, lock_run, order_labels, prepare_run
from model.workflows.sources import Source, SourceOptions, fit_recipe, read_source

_LEAST_CALIBRATED: Final = 30
"""Held-out recordings of a table below which no temperature is fitted."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of `python -m model.train`, documented there."""

    source: SourceOptions
    out: Path
    init: str | None
    glove: Path | None
    random_embeddings: bool
    recipe: str | None
    settings: tuple[str, ...]
    fold: int | None
    fold_bundles: bool
    runs: Path
    device: str
    vectors: str
    notes: tuple[str, ...]

    @property
    def cache(self) -> Path:
        """Folder of extracted features and recognised words."""
        return self.source.cache or default_cache()


def train(options: TrainOptions) -> int:
    """Train and write a bundle; return 1, with the reason on standard error, on failure."""
    return exit_status(lambda: _train(options))


def _train(options: TrainOptions) -> None:
    run = Run(options.runs / options.out.name)
    _check_out(options.out, run.path)
    source = options.source
    if options.fold is not None and source.skip_cv:
        raise TrainingError("--fold trains one fold and --skip-cv none: omit one of them")
    if source.limit_folds is not None and (source.skip_cv or options.fold is not None):
        raise TrainingError("--limit-folds needs several folds: omit it, or --fold and --skip-cv")
    if options.init is not None and (options.glove is not None or options.random_embeddings):
        raise TrainingError("--init keeps the word vectors of its bundle: omit --glove and --embeddings")
    check_device(options.device)
    with lock_run(run.path):
        _train_run(options, run)


def _train_run(options: TrainOptions, run: Run) -> None:
    initial = open_initial(options.init) if options.init else None
    recipe = fit_recipe(_choose_recipe(options, initial), options.source.corpus)
    # Checks come before the slow feature extraction.
    source = read_source(options.source, recipe)
    if options.fold is not None and options.fold >= len(source.splits):
        raise TrainingError(f"--fold {options.fold}: there are {len(source.splits)} folds, counted from 0")
    embeddings = _choose_vectors(options, source.corpus, recipe, initial)
    weights = initial.weights() if initial else None
    prepare_run(run, source.corpus, recipe, embeddings, options.cache, options.source.jobs, initial=weights)
    today = datetime.now(UTC).date().isoformat()
    origin = Origin(source.trained_on, source.licence, options.vectors or embeddings.source, today)
    about = source.metrics | _describe_initial(initial, source, embeddings)
    training = _Training(options, run, source, origin, about)
    if options.fold is not None:
        training.train_one(options.fold)
    else:
        training.train_all(_leave_out_corpora(source.corpus, recipe) if source.splits else [])


def _choose_recipe(options: TrainOptions, initial: InitialBundle | None) -> Recipe:
    if initial is not None:
        return choose_initial_recipe(initial, options.recipe, options.settings)
    return choose_recipe(options.recipe or "paper", options.settings)


def _choose_vectors(options: TrainOptions, corpus: Corpus, recipe: Recipe, initial: InitialBundle | None) -> Embeddings:
    if initial is not None:
        return extend_vocabulary(initial, corpus)
    return choose_embeddings(corpus, recipe, options.glove, random=options.random_embeddings)


def _describe_initial(initial: InitialBundle | None, source: Source, embeddings: Embeddings) -> dict[str, Any]:
    if initial is None:
        return {}
    own = initial.bundle.config.origin
    if own.licence != source.licence:
        print_line(
            f"the weights begin with {initial.name}, whose licence is {own.licence}; --licence states "
            f"{source.licence}. The card names both"
        )
    labels = order_labels(utterance.label for utterance in source.corpus.utterances)
    return {"initial": initial.describe(labels, embeddings)}


@dataclass(frozen=True, slots=True)
class _Training:
    """Training and export of a prepared run.

    Attributes:
        options: Options of the command.
        run: The prepared run.
        source: Corpus and folds.
        origin: Origin of the weights.
        about: Sections of metrics.json about the corpus and the initial weights.
    """

    options: TrainOptions
    run: Run
    source: Source
    origin: Origin
    about: dict[str, Any]

    def train_one(self, number: int) -> None:
        """Train one fold and publish its weights."""
        fold = self._fold(self.source.splits[number], bundle=True)
        console.print(describe_fold(run_fold(fold, _print_epoch)))
        bundle = self.run.folder(fold.split) / "bundle"
        stored = json.loads((bundle / METRICS).read_text(encoding="utf-8"))
        self._publish(bundle, Calibration(), stored)

    def train_all(self, left_out: Sequence[Split]) -> None:
        """Train all folds and the weights to serve, and publish these."""
        splits, served = self.source.splits, self.source.served
        folds = [self._fold(split, bundle=self.options.fold_bundles or split is served) for split in splits]
        others = [self._fold(split, bundle=False) for split in left_out]
        last = [] if any(split is served for split in splits) else [self._fold(served, bundle=True)]
        results = finish_folds([*folds, *others, *last], self.options.source.jobs, console)
        metrics, calibration = {}, Calibration()
        if folds:
            finished = FinishedFolds(self.run, self.run.data(), splits, left_out)
            fitted = self._can_calibrate(finished)
            metrics = self._measure(finished, results[: len(folds)], calibrated=fitted)
            calibration = finished.calibrate() if fitted else Calibration()
        self._publish(self.run.folder(served) / "bundle", calibration, metrics)

    def _fold(self, split: Split, *, bundle: bool) -> Fold:
        target = (self.run.folder(split) / "bundle", self.origin) if bundle else None
        command, protocol = command_line("model.train"), self.source.protocol
        return Fold(self.run.path, split, self.source.root, command, target, self.options.device, protocol)

    def _measure(self, finished: FinishedFolds, results: Sequence[FoldResult], *, calibrated: bool) -> dict[str, Any]:
        command, root = command_line("model.train"), self.source.root
        summary = summarise_folds(
            self.run, finished.speakers, results, finished.data, root, command, self.source.protocol
        )
        limited = {"limited": True} if self.options.source.limit_folds is not None else {}
        after = {"calibration_error_after": finished.calibration_errors()} if calibrated else {}
        metrics = {"cross_validation": summary | limited | after}
        if finished.corpora:
            corpora = finished.measure_corpora(read_sentences(root))
            metrics["left_out"] = {"command": command, "corpora": corpora}
        return metrics

    def _can_calibrate(self, finished: FinishedFolds) -> bool:
        count = finished.held_out_count()
        if self.source.is_table and count < _LEAST_CALIBRATED:
            print_line(
                f"no temperature is fitted: {count} held-out recordings are fewer than {_LEAST_CALIBRATED}; "
                "probabilities are at temperature 1"
            )
            return False
        return True

    def _publish(self, bundle: Path, calibration: Calibration, metrics: dict[str, Any]) -> None:
        notes = {"notes": list(self.options.notes)} if self.options.notes else {}
        out = self.options.out
        # Distances from the training data mean nothing without those of held-out recordings.
        keep_sound = not self.source.is_table or calibration != Calibration()
        publish_bundle(bundle, out, calibration, self.about | metrics | notes, self.origin, keep_sound=keep_sound)
        console.print(f"wrote {out}; serve it with `can-ser serve --bundle {out}`")


def _check_out(out: Path, run: Path) -> None:
    """Raise TrainingError if writing the bundle would delete other files."""
    empty = out.is_dir() and not any(out.iterdir())
    if out.exists() and not empty and not (out / SUMS).is_file():
        raise TrainingError(f"--out {out} exists and is not a bundle; choose a new or an empty folder")
    target, folds = out.resolve(), run.resolve()
    if target == folds or target in folds.parents or folds in target.parents:
        raise TrainingError(f"--out {out}: finished folds are stored in {run}; choose a folder outside it")


def _print_epoch(epoch: Epoch) -> None:
    console.print(f"epoch {epoch.number}: {epoch}")


def _leave_out_corpora(corpus: Corpus, recipe: Recipe) -> list[Split]:
    """Folds that leave out the recordings of one corpus of a mixed one.

    None for a recipe that stops early, since there is no validation part.
    """
    sources = [utterance.source for utterance in corpus.utterances]
    if recipe.training.patience or not all(sources):
        return []
    return corpus_folds([RECORDED_IN[source] for source in sources], np.array([each != COMPOSITE for each in sources]))
