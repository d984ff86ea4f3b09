"""What `python -m model.train` does: folds, figures, the weights to serve."""

import shlex
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from alignment.errors import AlignmentError
from model.bundle import Origin
from model.cache import default_cache
from model.corpora.iemocap import PAPER_LABELS, read_iemocap
from model.corpora.records import Corpus
from model.crossval import Split, random_folds, session_folds, split_off_tenth
from model.errors import ModelError
from model.experiment import run_fold
from model.folds import FoldJob, describe_fold, finish_folds, train_fold
from model.packaging import fold_temperature, summarise_folds, write_bundle
from model.preparation import choose_embeddings, prepare_run
from model.recipes import Recipe, choose_recipe
from model.runs import RunFolder
from model.training import Epoch

READERS: Final = {"iemocap": read_iemocap}
console = Console(stderr=True, highlight=False)


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
    strict: bool
    trained_on: str
    licence: str
    vectors: str


def retrain(asked: Retraining) -> int:
    """Trains and writes; 1, with the reason on standard error, when it cannot."""
    try:
        _retrain(asked)
    except (ModelError, AlignmentError) as exc:
        console.print(f"[red]{type(exc).__name__}[/]: ", end="")
        console.print(str(exc), markup=False)
        return 1
    return 0


def _retrain(asked: Retraining) -> None:
    corpus = READERS[asked.corpus](asked.root, PAPER_LABELS, strict=asked.strict)
    describe_corpus(corpus)
    recipe = choose_recipe(asked.recipe, asked.settings)
    table = choose_embeddings(corpus, recipe, asked.glove, random=asked.random_embeddings)
    origin = Origin(
        asked.trained_on, asked.licence, asked.vectors or table.source, datetime.now(UTC).date().isoformat()
    )
    run = RunFolder(asked.runs / asked.out.name)
    moved = prepare_run(run, corpus, recipe, table, asked.cache or default_cache(), asked.jobs)
    describe_move(run.path, moved)
    splits = _splits(corpus, recipe, asked)
    jobs = [
        FoldJob(run.path, split, asked.root, shown_command("model.train"), (run.fold(split) / "bundle", origin))
        for split in splits
    ]
    if asked.fold is not None:
        job = replace(jobs[asked.fold % len(jobs)], bundle=(asked.out, origin))
        console.print(f"{describe_fold(train_fold(job, _print_epoch))}; wrote {asked.out}")
        return
    metrics, temperature = {}, 1.0
    if not asked.skip_cv:
        wanted = jobs if asked.fold_bundles else [replace(job, bundle=None) for job in jobs]
        results = finish_folds(wanted, asked.jobs, console)
        metrics = {
            "cross_validation": summarise_folds(
                run, splits, results, run.data(), asked.root, shown_command("model.train")
            )
        }
        temperature = fold_temperature(run, splits, run.data().labels, recipe.training.alpha)
    _train_served(run, origin, asked.out, temperature, metrics)


def describe_move(path: Path, moved: Path | None) -> None:
    """Says when a run of other settings has been moved out of the way."""
    if moved:
        console.print(f"{path} held a run of other settings or data; it is kept in {moved}")


def describe_corpus(corpus: Corpus) -> None:
    """Prints what was read and what was not."""
    labels = ", ".join(f"{label} {count}" for label, count in corpus.by_label.items())
    console.print(f"{corpus.labelled} labelled utterances ({labels}); {len(corpus.utterances)} kept")
    for reason, names in (("without .wdseg", corpus.without_wdseg), ("without wav", corpus.without_wav)):
        if names:
            console.print(f"{len(names)} left out {reason}: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}")
    for message in corpus.damaged:
        console.print(f"[yellow]skipped[/] {message}")


def _train_served(run: RunFolder, origin: Origin, out: Path, temperature: float, metrics: dict[str, Any]) -> None:
    """Trains on everything (on 9 of 10 parts, where early stopping needs the tenth) and writes the bundle."""
    experiment, data = run.experiment(), run.data()
    everything = np.arange(len(data.labels))
    split = Split("served", everything, everything[:0], everything[:0])
    if experiment.training.patience:
        split = split_off_tenth(len(everything))
    outcome = run_fold(experiment, data, split, _print_epoch)
    write_bundle(out, outcome, experiment, data, origin, temperature, metrics)
    console.print(f"wrote {out}; serve it with `can-ser serve --bundle {out}`")


def _print_epoch(epoch: Epoch) -> None:
    validation = f", validation WA {epoch.validation_wa:.3f}" if epoch.validation_loss else ""
    console.print(f"epoch {epoch.number}: loss {epoch.loss:.3f}{validation}")


def _splits(corpus: Corpus, recipe: Recipe, asked: Retraining) -> list[Split]:
    if asked.by_session:
        return session_folds(corpus.utterances, validate=recipe.training.patience > 0)
    return random_folds([utterance.label for utterance in corpus.utterances])


def shown_command(module: str) -> str:
    """What was typed, without the folders of this machine."""
    shown = [argument if not argument.startswith("/") else "DIR" for argument in sys.argv[1:]]
    return f"python -m {module} {shlex.join(shown)}"
