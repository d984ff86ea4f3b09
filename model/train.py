"""Retrain the network and rebuild the served weights: `python -m model.train --help`."""

import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import typer
from rich.console import Console

from alignment.errors import AlignmentError
from model.bundle import Origin
from model.cache import default_cache
from model.corpora.iemocap import PAPER_LABELS, read_iemocap
from model.corpora.records import Corpus
from model.crossval import Split, random_folds, session_folds
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


def main(
    root: Annotated[Path, typer.Option(help="Folder with Session1, Session2, …")],
    out: Annotated[Path, typer.Option(help="Bundle to write; its folder's name is the bundle's name")],
    corpus: Annotated[Literal["iemocap"], typer.Option(help="Format of the corpus")] = "iemocap",
    glove: Annotated[Path | None, typer.Option(help="Word vectors in GloVe's text format")] = None,
    embeddings: Annotated[
        Literal["glove", "random"], typer.Option(help="`random` learns words from the corpus")
    ] = "glove",
    recipe: Annotated[str, typer.Option(help="Settings to start from: paper or starter")] = "paper",
    settings: Annotated[list[str] | None, typer.Option("--set", help="Change one, e.g. network.dropout=0.2")] = None,
    folds: Annotated[Literal["10", "session"], typer.Option(help="Random folds, or no speaker in two parts")] = "10",
    fold: Annotated[
        int | None, typer.Option(min=0, help="Train and test this fold alone, and write its bundle")
    ] = None,
    skip_cv: Annotated[bool, typer.Option("--skip-cv", help="Train the weights to serve only")] = False,
    fold_bundles: Annotated[bool, typer.Option("--fold-bundles", help="Keep a bundle of every fold")] = False,
    runs: Annotated[Path, typer.Option(help="Where finished folds are kept")] = Path("runs"),
    cache: Annotated[Path | None, typer.Option(help="Where extracted features are kept")] = None,
    processes: Annotated[int, typer.Option("--jobs", min=1, help="Folds side by side, one core each")] = 1,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse damaged files instead of skipping them")] = False,
    trained_on: Annotated[str, typer.Option(help="The corpus in words, for the model card")] = "IEMOCAP (USC SAIL)",
    licence: Annotated[str, typer.Option(help="SPDX identifier for the weights")] = "LicenseRef-IEMOCAP",
    vectors: Annotated[str, typer.Option(help="The word vectors in words, for the model card")] = "",
) -> None:
    """Cross-validates the Cross Attention Network, then trains and exports the weights to serve."""
    try:
        found = READERS[corpus](root, PAPER_LABELS, strict=strict)
        describe_corpus(found)
        chosen = choose_recipe(recipe, settings or [])
        table = choose_embeddings(
            found, chosen, glove if embeddings == "glove" else None, random=embeddings == "random"
        )
        origin = Origin(trained_on, licence, vectors or table.source, datetime.now(UTC).date().isoformat())
        run = RunFolder(runs / out.name)
        prepare_run(run, found, chosen, table, cache or default_cache(), processes)
        splits = _session_folds(found, chosen) if folds == "session" else random_folds(_labels(found))
        jobs = [FoldJob(run.path, split, root, _command(), (run.fold(split) / "bundle", origin)) for split in splits]
        if fold is not None:
            job = replace(jobs[fold % len(jobs)], bundle=(out, origin))
            console.print(f"{describe_fold(train_fold(job, _print_epoch))}; wrote {out}")
            return
        metrics, temperature = {}, 1.0
        if not skip_cv:
            wanted = jobs if fold_bundles else [replace(job, bundle=None) for job in jobs]
            results = finish_folds(run, wanted, processes, console)
            metrics = {"cross_validation": summarise_folds(run, splits, results, run.data(), root, _command())}
            temperature = fold_temperature(run, splits, run.data().labels, chosen.training.alpha)
        _train_served(run, origin, out, temperature, metrics)
    except (ModelError, AlignmentError) as exc:
        console.print(f"[red]{type(exc).__name__}[/]: {exc}")
        raise typer.Exit(1) from exc


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
        tenth = random_folds(data.labels.tolist())[0].test
        split = Split("served", np.setdiff1d(everything, tenth), tenth, everything[:0])
    outcome = run_fold(experiment, data, split, _print_epoch)
    write_bundle(out, outcome, experiment, data, origin, temperature, metrics)
    console.print(f"wrote {out}; serve it with `can-ser serve --bundle {out}`")


def _print_epoch(epoch: Epoch) -> None:
    validation = f", validation WA {epoch.validation_wa:.3f}" if epoch.validation_loss else ""
    console.print(f"epoch {epoch.number}: loss {epoch.loss:.3f}{validation}")


def _session_folds(corpus: Corpus, recipe: Recipe) -> list[Split]:
    return session_folds(corpus.utterances, validate=recipe.training.patience > 0)


def _labels(corpus: Corpus) -> list[str]:
    return [utterance.label for utterance in corpus.utterances]


def _command() -> str:
    """What was typed, without the folders of this machine."""
    shown = [argument if not argument.startswith("/") else "DIR" for argument in sys.argv[1:]]
    return f"python -m model.train {shlex.join(shown)}"


if __name__ == "__main__":
    typer.run(main)
