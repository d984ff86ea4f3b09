"""Workflow of `python -m model.train`: cross-validation, metrics and the weights to serve."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from model.bundle import METRICS, Origin
from model.bundle_files import SUMS
from model.calibration import Calibration
from model.config import FoldsName
from model.corpora.iemocap_counts import is_iemocap
from model.corpora.pairing import COMPOSITE, RECORDED_IN, read_sentences
from model.corpora.readers import CorpusName, read_corpus
from model.corpora.records import Corpus
from model.corpora.subsets import choose_utterances
from model.data.cache import default_cache
from model.data.protocols import choose_folds
from model.data.splits import Split, corpus_folds, served_split
from model.errors import TrainingError
from model.export.packaging import publish_bundle
from model.runs.calibration import FinishedFolds
from model.runs.folder import Run
from model.runs.folds import Fold, describe_fold, finish_folds, run_fold
from model.runs.summary import summarise_folds
from model.training.loop import Epoch
from model.training.recipes import Recipe, choose_recipe
from model.workflows.console import command_line, console, exit_status, print_corpus
from model.workflows.preparation import check_device, choose_embeddings, lock_run, prepare_run


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of `python -m model.train`, documented there."""

    root: Path
    out: Path
    corpus: CorpusName
    glove: Path | None
    random_embeddings: bool
    recipe: str
    settings: tuple[str, ...]
    folds: FoldsName
    classes: int
    limit_folds: int | None
    fold: int | None
    skip_cv: bool
    fold_bundles: bool
    runs: Path
    cache: Path | None
    jobs: int
    device: str
    strict: bool
    trained_on: str | None
    licence: str | None
    vectors: str
    notes: tuple[str, ...]


def train(options: TrainOptions) -> int:
    """Train and write a bundle; return 1, with the reason on standard error, on failure."""
    return exit_status(lambda: _train(options))


def _train(options: TrainOptions) -> None:
    run = Run(options.runs / options.out.name)
    _check_out(options.out, run.path)
    if options.fold is not None and options.skip_cv:
        raise TrainingError("--fold trains one fold and --skip-cv none: omit one of them")
    if options.limit_folds is not None and (options.skip_cv or options.fold is not None):
        raise TrainingError("--limit-folds needs several folds: omit it, or --fold and --skip-cv")
    check_device(options.device)
    with lock_run(run.path):
        _train_run(options, run)


def _train_run(options: TrainOptions, run: Run) -> None:
    recipe = choose_recipe(options.recipe, options.settings)
    read = read_corpus(options.corpus, options.root, strict=options.strict, all_labels=options.classes == 9)
    print_corpus(read)
    # Checks come before the slow feature extraction.
    trained_on, licence = _provenance(options, read)
    corpus = choose_utterances(read, options.classes, "all")
    splits = [] if options.skip_cv else _choose_splits(corpus, recipe, options)
    if options.fold is not None and options.fold >= len(splits):
        raise TrainingError(f"--fold {options.fold}: there are {len(splits)} folds, counted from 0")
    served = served_split(corpus.utterances, recipe.training.patience > 0, by_session=options.folds != "10")
    embeddings = choose_embeddings(corpus, recipe, options.glove, random=options.random_embeddings)
    prepare_run(run, corpus, recipe, embeddings, options.cache or default_cache(), options.jobs)
    today = datetime.now(UTC).date().isoformat()
    origin = Origin(trained_on, licence, options.vectors or embeddings.source, today)
    command = command_line("model.train")

    def fold_of(split: Split, *, bundle: bool) -> Fold:
        target = (run.folder(split) / "bundle", origin) if bundle else None
        return Fold(run.path, split, options.root, command, target, options.device)

    if options.fold is not None:
        single = fold_of(splits[options.fold], bundle=True)
        console.print(describe_fold(run_fold(single, _print_epoch)))
        _publish(run.folder(single.split) / "bundle", options, Calibration(), origin)
        return
    folds = [fold_of(split, bundle=options.fold_bundles) for split in splits]
    left_out = _leave_out_corpora(corpus, recipe) if folds else []
    others = [fold_of(split, bundle=False) for split in left_out]
    results = finish_folds([*folds, *others, fold_of(served, bundle=True)], options.jobs, console)
    metrics, calibration = {}, Calibration()
    if folds:
        finished = FinishedFolds(run, run.data(), splits, left_out)
        summary = summarise_folds(run, splits, results[: len(folds)], finished.data, options.root, command)
        limited = {"limited": True} if options.limit_folds is not None else {}
        metrics["cross_validation"] = summary | limited | {"calibration_error_after": finished.calibration_errors()}
        if left_out:
            corpora = finished.measure_corpora(read_sentences(options.root))
            metrics["left_out"] = {"command": command, "corpora": corpora}
        calibration = finished.calibrate()
    _publish(run.folder(served) / "bundle", options, calibration, origin, metrics)


def _check_out(out: Path, run: Path) -> None:
    """Raise TrainingError if writing the bundle would delete other files."""
    empty = out.is_dir() and not any(out.iterdir())
    if out.exists() and not empty and not (out / SUMS).is_file():
        raise TrainingError(f"--out {out} exists and is not a bundle; choose a new or an empty folder")
    target, folds = out.resolve(), run.resolve()
    if target == folds or target in folds.parents or folds in target.parents:
        raise TrainingError(f"--out {out}: finished folds are stored in {run}; choose a folder outside it")


def _provenance(options: TrainOptions, corpus: Corpus) -> tuple[str, str]:
    """Training data and licence of the weights: known for IEMOCAP, required options for any other corpus."""
    if options.trained_on and options.licence:
        return options.trained_on, options.licence
    if options.trained_on or options.licence or not is_iemocap(corpus):
        raise TrainingError(
            "this corpus is not IEMOCAP: describe it with --trained-on, and state with --licence the terms (an SPDX "
            "identifier) under which weights trained on it may be used; both are included in the bundle and in every "
            "response"
        )
    return "IEMOCAP (USC SAIL)", "LicenseRef-IEMOCAP"


def _publish(
    source: Path, options: TrainOptions, calibration: Calibration, origin: Origin, metrics: dict[str, Any] | None = None
) -> None:
    stored = metrics if metrics is not None else json.loads((source / METRICS).read_text(encoding="utf-8"))
    notes = {"notes": list(options.notes)} if options.notes else {}
    publish_bundle(source, options.out, calibration, stored | notes, origin)
    console.print(f"wrote {options.out}; serve it with `can-ser serve --bundle {options.out}`")


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


def _choose_splits(corpus: Corpus, recipe: Recipe, options: TrainOptions) -> list[Split]:
    splits = choose_folds(options.folds, corpus.utterances, validate=recipe.training.patience > 0)
    return splits[: options.limit_folds]
