"""What `python -m model.train` does: folds, figures, the weights to serve."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from model.bundle import METRICS, SUMS, Origin
from model.corpora.iemocap import PAPER_LABELS, read_iemocap
from model.corpora.iemocap_counts import is_iemocap
from model.corpora.records import Corpus
from model.data.cache import default_cache
from model.data.splits import Split, random_folds, served_split, session_folds
from model.errors import TrainingError
from model.export.packaging import publish_bundle
from model.runs.folder import RunFolder
from model.runs.folds import FoldJob, describe_fold, finish_folds, train_fold
from model.runs.summary import served_temperature, summarise_folds
from model.training.loop import Epoch
from model.training.recipes import Recipe, choose_recipe
from model.workflows.console import (
    console,
    describe_corpus,
    describe_embeddings,
    describe_move,
    run_explained,
    shown_command,
)
from model.workflows.preparation import check_device, choose_embeddings, lock_run, prepare_run

READERS: Final = {"iemocap": read_iemocap}


@dataclass(frozen=True, slots=True)
class Retraining:
    """What was asked for; the options of `python -m model.train` say what each means."""

    root: Path
    out: Path
    corpus: str
    glove: Path | None
    random_embeddings: bool
    recipe: str
    settings: tuple[str, ...]
    by_session: bool
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


def retrain(asked: Retraining) -> int:
    """Trains and writes; 1, with the reason on standard error, when it cannot."""
    return run_explained(lambda: _retrain(asked))


def _retrain(asked: Retraining) -> None:
    run = RunFolder(asked.runs / asked.out.name)
    _check_place(asked.out, run.path)
    if asked.fold is not None and asked.skip_cv:
        raise TrainingError("--fold trains one fold, --skip-cv none: leave one of them out")
    check_device(asked.device)
    with lock_run(run.path):
        _train(asked, run)


def _train(asked: Retraining, run: RunFolder) -> None:
    recipe = choose_recipe(asked.recipe, asked.settings)
    corpus = READERS[asked.corpus](asked.root, PAPER_LABELS, strict=asked.strict)
    describe_corpus(corpus)
    # What cannot work says so before minutes go by.
    trained_on, licence = _provenance(asked, corpus)
    splits = [] if asked.skip_cv else _splits(corpus, recipe, asked)
    if asked.fold is not None and asked.fold >= len(splits):
        raise TrainingError(f"--fold {asked.fold}: there are {len(splits)} folds, counted from 0")
    served = served_split(corpus.utterances, recipe.training.patience > 0, by_session=asked.by_session)
    vectors = _prepare(asked, run, corpus, recipe)
    origin = Origin(trained_on, licence, asked.vectors or vectors, datetime.now(UTC).date().isoformat())

    def job(split: Split, *, bundle: bool) -> FoldJob:
        target = (run.fold(split) / "bundle", origin) if bundle else None
        return FoldJob(run.path, split, asked.root, shown_command("model.train"), target, asked.device)

    if asked.fold is not None:
        alone = job(splits[asked.fold], bundle=True)
        console.print(describe_fold(train_fold(alone, _print_epoch)))
        _publish(run.fold(alone.split) / "bundle", asked, 1.0, origin)
        return
    folds = [job(split, bundle=asked.fold_bundles) for split in splits]
    finished = finish_folds([*folds, job(served, bundle=True)], asked.jobs, console)
    metrics, temperature = {}, 1.0
    if folds:
        data, command = run.data(), shown_command("model.train")
        metrics["cross_validation"] = summarise_folds(run, splits, finished[:-1], data, asked.root, command)
        temperature = served_temperature(run, splits, data.labels, recipe.training.alpha)
    _publish(run.fold(served) / "bundle", asked, temperature, origin, metrics)


def _prepare(asked: Retraining, run: RunFolder, corpus: Corpus, recipe: Recipe) -> str:
    """Vectors and features, told of and written to the run; where the vectors come from."""
    table = choose_embeddings(corpus, recipe, asked.glove, random=asked.random_embeddings)
    if not asked.random_embeddings:
        describe_embeddings(table)
    describe_move(run.path, prepare_run(run, corpus, recipe, table, asked.cache or default_cache(), asked.jobs))
    return table.source


def _check_place(out: Path, run: Path) -> None:
    """Refuses a place where writing the bundle would take something else away.

    Raises:
        TrainingError: a bundle cannot go to `out`.
    """
    empty = out.is_dir() and not any(out.iterdir())
    if out.exists() and not empty and not (out / SUMS).is_file():
        raise TrainingError(f"--out {out} is there and is no bundle; name a folder that is not there, or is empty")
    place, finished = out.resolve(), run.resolve()
    if place == finished or place in finished.parents or finished in place.parents:
        raise TrainingError(f"--out {out}: finished folds are kept in {run}; name a folder outside it")


def _provenance(asked: Retraining, corpus: Corpus) -> tuple[str, str]:
    """What the weights are made of and under which licence; known for IEMOCAP, to be said for any other corpus."""
    if asked.trained_on and asked.licence:
        return asked.trained_on, asked.licence
    if asked.trained_on or asked.licence or not is_iemocap(corpus):
        raise TrainingError(
            "this corpus is not IEMOCAP: say with --trained-on what it is, and with --licence under which terms (an "
            "SPDX identifier) weights trained on it may be used; both stand in the bundle and in every answer"
        )
    return "IEMOCAP (USC SAIL)", "LicenseRef-IEMOCAP"


def _publish(
    source: Path, asked: Retraining, temperature: float, origin: Origin, metrics: dict[str, Any] | None = None
) -> None:
    found = metrics if metrics is not None else json.loads((source / METRICS).read_text(encoding="utf-8"))
    notes = {"notes": list(asked.notes)} if asked.notes else {}
    publish_bundle(source, asked.out, temperature, found | notes, origin)
    console.print(f"wrote {asked.out}; serve it with `can-ser serve --bundle {asked.out}`")


def _print_epoch(epoch: Epoch) -> None:
    console.print(f"epoch {epoch.number}: {epoch}")


def _splits(corpus: Corpus, recipe: Recipe, asked: Retraining) -> list[Split]:
    if asked.by_session:
        return session_folds(corpus.utterances, validate=recipe.training.patience > 0)
    return random_folds([utterance.label for utterance in corpus.utterances])
